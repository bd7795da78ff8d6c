"""Names of PEM files in, what a client of ours trusts and shows out."""

import ssl

from streams.errors import InvalidParameterError


def client_tls(section: str, *, ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """Without ``ca_file``, the authorities that the machine trusts. Raises InvalidParameterError.

    section: of the settings, for people.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as exc:
        raise InvalidParameterError(f"{section}.ca_file", ca_file, "a readable PEM file") from exc
    if cert_file:
        try:
            # Without a password OpenSSL would ask for that of an encrypted key at the terminal.
            context.load_cert_chain(cert_file, key_file or None, password="")
        except OSError as exc:
            allowed = (
                f"a readable PEM file, with the unencrypted key in it or in {section}.key_file"
            )
            raise InvalidParameterError(f"{section}.cert_file", cert_file, allowed) from exc
    return context

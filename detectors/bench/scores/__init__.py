"""What scores are worth against labels: rankings, alerts, NAB's rules."""

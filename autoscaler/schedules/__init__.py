"""What people know of the future: least and most replicas, and expected demand, by the clock."""

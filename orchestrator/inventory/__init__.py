"""What the service is made of: every piece of equipment and of software, as live hosts say."""

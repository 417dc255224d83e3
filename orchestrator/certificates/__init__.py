"""Every certificate on every host, found by looking: in files, and behind listeners."""

WARN_DAYS = 21  # so long before its end it is a finding, where nobody says otherwise

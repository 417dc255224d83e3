"""What the registers of an environment must show: entered, reviewed, judged by a few rules."""

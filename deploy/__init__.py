"""What a cluster needs to run the gateway; `render.py` keeps what is generated here equal to its sources."""

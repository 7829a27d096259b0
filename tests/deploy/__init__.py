"""deploy/: the chart by the real Helm on the real API server, the image's scripts, dashboards on a real Prometheus."""

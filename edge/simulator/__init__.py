"""RTSP cameras for demonstrations and tests: files or rendered scenes, served like real cameras."""

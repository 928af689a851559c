"""Packets and pictures of a camera: RTSP, RTP and the decoder."""

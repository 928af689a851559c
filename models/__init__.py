"""Pixels in, detections out: catalogue, ONNX sessions, faces, plates and plate text."""

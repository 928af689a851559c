"""Beside the cameras: streams, motion, tracking, events, evidence, outbox and publisher."""

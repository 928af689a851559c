"""Proof and self-suspicion: the hash chain, its checkpoints, the auditor, the heartbeat."""

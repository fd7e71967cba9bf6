"""nnU-Net v2: trainers that learn from cues, and a planner that keeps images whole."""

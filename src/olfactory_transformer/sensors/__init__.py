"""From a wire to calibrated windows: frames, where they come from, recordings, calibration.

source ─▶ Frame ─▶ calibration ─▶ Recording ─▶ windows ─▶ (inference.nose)
"""

"""Colours of the project's pictures of networks, for pages with a light and a dark background.

back, ink, soft: background, text and lines, remarks. full, bits: boxes with numbers of 32 bits, and with 1-bit weights and
activations.
"""

THEMES = {
    "light": {"back": "#ffffff", "ink": "#1f2328", "soft": "#6e7781", "full": "#ddf4ff", "bits": "#ffd8a8"},
    "dark": {"back": "#0d1117", "ink": "#e6edf3", "soft": "#8b949e", "full": "#12385c", "bits": "#7a4106"},
}

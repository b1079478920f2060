"""Who speaks when on one mono channel: pyannote segmentation, CAM++ voices, agglomerative clustering.

    windows.py    blocks of samples -> overlapping 10 s windows (numpy only)
    adapter.py    windows -> local speakers and their voices (torch)
    cluster.py    voices -> people (scipy)
    attribute.py  local speakers of all windows -> exclusive spans of the call (numpy; clustering is passed in)

Importing this package imports neither torch nor scipy; building ``PyannoteDiarizer`` does.
"""

from models.diarize.adapter import PyannoteDiarizer
from models.diarize.attribute import DiarizeOptions

__all__ = ["DiarizeOptions", "PyannoteDiarizer"]

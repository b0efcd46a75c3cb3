# `cimport nncore`: a Predictor as a typed, nogil call. See examples/cython_embed.

from nncore._plan cimport NNCORE_ABI, NNCORE_STACK, nncore_plan
from nncore._predictor cimport Predictor

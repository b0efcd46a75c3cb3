# `cimport nncore`: a Predictor as a typed, nogil call. See examples/cython_embed.

from nncore._predictor cimport NNCORE_ABI, NNCORE_STACK, Predictor, nncore_plan

/* words_end.h: takes back everything that is defined per type, so that words.h can be included for the next one.
 * What an ISA file defines once (NNC_ISA, VBYTES, NNC_ACC, NNC_LANES_BY_LOOP, NNC_MINMAX_BY_SELECT) stays. To add:
 * one line per macro. */

/* the words of the ISA file */
#undef NNC_REAL
#undef NNC_NARROWER
#undef vec
#undef v_set
#undef v_fma
#undef v_sqrt
#undef v_root_guess
#undef v_any_below
#undef v_max
#undef v_min
#undef v_select
#undef v_load_n
#undef v_store_n

/* words.h */
#undef NNC_PASTE_
#undef NNC_PASTE
#undef FN
#undef INLINE
#undef real
#undef ibits
#undef ubits
#undef MANTISSA
#undef EXPONENT_BIAS
#undef REAL_MAX
#undef REAL_MIN_NORMAL
#undef ROUNDER
#undef LANES
#undef REAL
#undef ivec
#undef v_load
#undef v_store
#undef i_set
#undef v_zero
#undef i_of
#undef v_of
#undef i_mask
#undef v_bits_set
#undef I_SIGN
#undef v_abs
#undef v_neg
#undef v_copysign
#undef v_fms
#undef v_fnma
#undef SPAN
#undef SPAN_VECS
#undef TURN
#undef ALL_TURNS
#undef SUM

/* vmath.h */
#undef EXP_EDGE
#undef NORMAL_EDGE
#undef LN2_HIGH
#undef LN2_LOW
#undef SQRT_HALF_BITS
#undef LOG2_E
#undef LN_2
#undef BIASED
#undef K
#undef STEP
#undef v_over_root
#undef v_exp_neg
#undef v_expm1_neg
#undef v_sigmoid_pair
#undef v_sigmoid
#undef v_tanh
#undef v_log1p_unit
#undef v_log
#undef v_normal

/* kernels/walk.h */
#undef EACH_CHAIN
#undef EACH_SPAN

/* kernels/matmul.h */
#undef MR
#undef ROW
#undef NR_VECS
#undef NR
#undef UNROLL
#undef COLUMN_ARGUMENTS
#undef TILE
#undef VECTORS
#undef COLUMNS
#undef NAME
#undef NAMES

/* kernels/pack.h */
#undef QUAD
#undef PICK
#undef PICKS
#undef ALL_PICKS
#undef SHUFFLE

/* kernels/matvec.h */
#undef SQUARES

/* kernels/maps.h */
#undef FORWARD_ARGUMENTS
#undef FORWARD_ELEMENTWISE
#undef FORWARD_ROWWISE
#undef BACKWARD_ARGUMENTS
#undef BACKWARD_ELEMENTWISE
#undef BACKWARD_ROWWISE

/* kernels/steps.h */
#undef LOSS_ARGUMENTS
#undef LOSS_ELEMENTWISE
#undef LOSS_ROWWISE
#undef UPDATE
#undef UPDATE_WALK

/* kernels/row.h */
#undef ROW_WORDS
#undef ROW_ARGUMENTS
#undef ROW_TILE
#undef ROW_NAMES
#undef ROW_NONE
#undef ROW_EVERY
#undef ROW_ENTRY
#undef ROW_FINISH_ARGUMENTS
#undef ROW_ELEMENTWISE
#undef ROW_ROWWISE
#undef ROW_NAME
#undef v_list_nonzero
#undef v_count_nonzero
#undef NNC_DOT_FALLS_SHORT
#undef v_quads
#undef q_dot
#undef q_dot_up
#undef q_dot_quick
#undef q_dot_up_quick
#undef q_narrow

/* kernels/row_int8.h */
#undef INT8_TINY
#undef INT8_ROWS
#undef INT8_COLUMNS
#undef INT8_ARGUMENTS
#undef INT8_TILE
#undef INT8_TILE_ROWS
#undef INT8_EACH
#undef INT8_FEW
#undef INT8_ALL
#undef INT8_NAME
#undef INT8_NAME_ROWS
#undef INT8_NAMES
#undef INT8_LAYER
#undef INT8_QUICK

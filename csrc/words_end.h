/* words_end.h: takes back what is defined otherwise for the next type, so that words.h can be included again. What reads the same
 * both times may stay: C allows the same definition twice. For one that is forgotten here compilers warn, and -Werror
 * stops; but not for a word that only some ISAs define, which float64 would then take from float32. */

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
#undef real
#undef ibits
#undef ubits
#undef MANTISSA
#undef EXPONENT_BIAS
#undef REAL_MAX
#undef REAL_MIN_NORMAL
#undef ROUNDER
#undef ivec
#undef ALL_TURNS

/* vmath.h */
#undef EXP_EDGE
#undef NORMAL_EDGE
#undef LN2_HIGH
#undef LN2_LOW
#undef SQRT_HALF_BITS

/* kernels/pack.h, kernels/two_outputs.h */
#undef PICKS
#undef TWO_OUTPUTS

/* kernels/row.h */
#undef v_list_nonzero
#undef v_count_nonzero
#undef NNC_DOT_FALLS_SHORT
#undef v_quads
#undef q_dot
#undef q_dot_up
#undef q_dot_quick
#undef q_dot_up_quick
#undef q_narrow

// correlation_max: both maxima of every pair's correlation, with their positions.
//
//   S[p, g, r, s]         = sum_c probe[p, c, s] * gallery[g, c, r]
//   over_gallery[p, g, s] = max_r S      gallery_index[p, g, s] = the r of it
//   over_probe[p, g, r]   = max_s S      probe_index[p, g, r]   = the s of it
//
// Sums     in float (double for double inputs), channels in ascending order; S is not stored. CUDA
//          tensor cores add several channels at once, and take float32 numbers as two of float16
//          (cuda/operands.h).
// Ties     the lowest position wins.  NaN: wins its maximum, the first of several.
// Empty    P or G may be 0: nothing is written. C and locations are at least 1.
// Bits     of a pair do not depend on P, G, blocks or threads (one instruction set, one device).
// Cost     2*P*G*C*s*r operations; reads each map once per block of partners; workspace is
//          bounded by blocks of maps, not by P*G.
#pragma once

#include "core/types.h"

namespace qaconv {

struct CorrelationMaxParams {
    Maps probe;           // [P, C, s]
    Maps gallery;         // [G, C, r]
    void* over_gallery;   // [P, G, s] float or double, contiguous
    void* over_probe;     // [P, G, r] float or double, contiguous
    void* gallery_index;  // [P, G, s] uint8, or int16 where r > 256
    void* probe_index;    // [P, G, r] uint8, or int16 where s > 256
};

// correlation_max_backward: the gradient to both sets of maps, through the winners only.
//
//   grad_probe[p, c, s]   = sum_g   grad_over_gallery[p,g,s] * gallery[g,c,gallery_index[p,g,s]]
//                         + sum_{g,r: probe_index[p,g,r]=s} grad_over_probe[p,g,r] * gallery[g,c,r]
//   grad_gallery[g, c, r] = the same with the roles exchanged
//
// Owner computes: every output is summed by one thread in a fixed order (partners ascending, own
// maxima before the partner's), so the bits are the same from run to run and for any threads.
// Pairs whose gradients are all zero cost one look at them. Cost 8*P*G*C*(s+r)/2 operations a side.
struct CorrelationMaxBackwardParams {
    Maps probe;
    Maps gallery;
    const void* grad_over_gallery;  // [P, G, s] float or double, contiguous
    const void* grad_over_probe;    // [P, G, r]
    const void* gallery_index;      // as stored by the forward
    const void* probe_index;
    void* grad_probe;    // [P, C, s] float or double, contiguous; null: not wanted
    void* grad_gallery;  // [G, C, r] float or double, contiguous; null: not wanted
};

// correlation_max_self: a set of maps with itself.
//
//   maxima[p, g, s] = max_r S[p, g, r, s]      index[p, g, s] = the r of it
//
// over_gallery of the maps given twice, bit for bit; over_probe is the same plane with the pairs
// transposed, [g, p], and is not stored. One triangle is computed: half the work.
struct CorrelationMaxSelfParams {
    Maps features;  // [N, C, s]
    void* maxima;   // [N, N, s] float or double, contiguous
    void* index;    // [N, N, s] uint8, or int16 where s > 256
};

// correlation_max_self_backward: the gradient to the maps, of both their parts in a pair.
//
//   grad_features[n, c, s] = sum_m grad_maxima[n,m,s] * features[m,c,index[n,m,s]]
//                          + sum_{m,r: index[m,n,r]=s} grad_maxima[m,n,r] * features[m,c,r]
//
// Owner computes, as above: partners ascending, own maxima before the partner's.
struct CorrelationMaxSelfBackwardParams {
    Maps features;
    const void* grad_maxima;  // [N, N, s] float or double, contiguous
    const void* index;        // as stored by the forward
    void* grad_features;      // [N, C, s] float or double, contiguous
};

}  // namespace qaconv

// match_scores_narrow: match_scores whose winners are found by narrow products.
//
//   r*[p, g, s] = the r of max_r N[p, g, r, s]      s*[p, g, r] = the s of max_s N[p, g, r, s]
//   scores[p, g] = (sum_s probe_weight[s] * S[p, g, r*, s]
//                 + sum_r gallery_weight[r] * S[p, g, r, s*]) + bias
//
// S (match_scores.h) is taken at the winners only, in float. Channels come in slices of 32, of
// which channels c and c + 16 are multiplied and added, then weighted and added to sum (k % 4, c)
// of their side, k being the location: slices ascending, then locations. The four sums of a channel
// are added two by two, the sixteen of the channels by halves. Every multiply-add rounds once. N
// are the products of rounded maps:
//   kBFloat16  numbers to bfloat16, ties to even; sums in float, channels ascending, of which all
//   but
//              the last position_bits bits are compared. Below 2^-126 numbers may count as zero.
//   kInt8      each map by a scale of its own to whole numbers, its largest magnitude to
//              narrow_steps: number * (steps / largest), both in float, ties to even; sums exact.
//
// Ties     of N: the lowest position; of bfloat16 sums below zero the highest.
// Not      finite, or sums that might not be: the pair is matched in float by the rule of
//          maximum.h, channels ascending.
// Empty, bits: as match_scores; the scores of (p, g) and (g, p) have the same bits.
// Error    docs/algorithm.md.
#pragma once

#include <algorithm>

#include "core/match_scores.h"

namespace qaconv {

enum class Precision : int32_t { kBFloat16, kInt8 };

struct MatchScoresNarrowParams {
    MatchScoresParams match;  // maps of any type but double
    Precision precision;
};

// Bits that tell the positions of the larger map apart.
inline int64_t position_bits(int64_t locations, int64_t other_locations) {
    int64_t bits = 0;
    while (int64_t{1} << bits < std::max(locations, other_locations)) ++bits;
    return bits;
}

// The largest whole number of kInt8: 127, or as much as lets a sum and a position fit 32 bits.
inline int32_t narrow_steps(int64_t channels, int64_t bits) {
    // One side's numbers are taken from 0 to 2 * steps.
    const int64_t room = (int64_t{1} << (31 - bits)) - 1;
    int32_t steps = 127;
    while (steps > 1 && channels * 2 * steps * steps > room) --steps;
    return steps;
}

// Above it even sums of -1, 0 and 1 might not fit.
constexpr int64_t kMaxNarrowChannels = int64_t{1} << 14;

}  // namespace qaconv

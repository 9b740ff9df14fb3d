// A warp's share of what its warpgroup multiplies: 16 rows (probe places) times 64 columns (gallery
// places), as wgmma leaves it in registers, and both maxima of it.
#pragma once

#include "cuda/device/best.cuh"
#include "cuda/device/hopper.cuh"

namespace qaconv::cuda {

constexpr int kGroupRows = 64;  // of a warpgroup
constexpr int kGroupWarps = 4;
constexpr int kGroupWarpRows = kGroupRows / kGroupWarps;
constexpr int kGroupColumns = 64;

// The best of each of a lane's rows: rows group and group + 8 of the warp's.
template <bool kPositions>
using GroupRowBests = Best<kPositions>[2];

// Offers the sums to the maxima of their rows and of their columns. `row` is the position of the
// lane's first row, `column` of the tile's first column; the columns' bests go to
// columns[column + 0..63], joined with what is there unless `first_rows`.
//
// The rows of a column lie in the eight lanes with the same lane % 4. Each of three exchanges
// halves the number of columns a lane holds: 16 values take 8 + 4 + 2 shuffles and not 48. They
// halve such that in the end the lanes have 32 columns side by side, and the 32 after those.
template <bool kPositions>
__device__ void offer_tile(const WarpgroupSums& sums, int row, int column, bool first_rows,
                           GroupRowBests<kPositions>& rows, const BestArray<kPositions>& columns) {
    const int lane = threadIdx.x % 32;
    const bool second = lane & 16, odd_eight = lane & 8, odd = lane & 4;
#pragma unroll
    for (int eight = 0; eight < 8; ++eight) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
            const int position = column + 8 * eight + 2 * (lane % 4) + e;
            rows[0].offer(sums[eight][e], position);
            rows[1].offer(sums[eight][2 + e], position);
        }
    }
    const auto best_of = [&](int eight, int e) {
        Best<kPositions> best;
        best.value = sums[eight][e];
        if constexpr (kPositions) best.index = row;
        best.offer(sums[eight][2 + e], row + 8);
        return best;
    };
    // The better of what this lane keeps and of what another gives for it.
    const auto exchange = [](const Best<kPositions>& one, const Best<kPositions>& other,
                             bool keeps_other, int lane_mask) {
        const Best<kPositions> given = keeps_other ? one : other;
        Best<kPositions> kept = keeps_other ? other : one;
        kept.merge(given.from_lane(lane_mask));
        return kept;
    };
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        Best<kPositions> of_eight[2][2];
#pragma unroll
        for (int eight = 0; eight < 2; ++eight) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                of_eight[eight][e] = exchange(best_of(4 * half + eight, e),
                                              best_of(4 * half + 2 + eight, e), second, 16);
            }
        }
        const Best<kPositions> even = exchange(of_eight[0][0], of_eight[1][0], odd_eight, 8);
        const Best<kPositions> uneven = exchange(of_eight[0][1], of_eight[1][1], odd_eight, 8);
        Best<kPositions> one = exchange(even, uneven, odd, 4);
        const int at = column + 32 * half + (lane & 24) + 2 * (lane % 4) + (odd ? 1 : 0);
        if (!first_rows) one.merge(columns.load(at));
        columns.store(at, one);
    }
}

// Joins the four lanes that share rows and stores the warp's 16 bests.
template <bool kPositions>
__device__ void store_group_rows(GroupRowBests<kPositions>& rows,
                                 const BestArray<kPositions>& out) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        Best<kPositions>& best = rows[half];
        best.merge(best.from_lane(1));
        best.merge(best.from_lane(2));
        if (lane % 4 == 0) out.store(8 * half + lane / 4, best);
    }
}

}  // namespace qaconv::cuda

// A warp's share of a correlation: 48 rows (probe locations) times 16 columns (gallery locations)
// at a time, as the tensor cores leave it in registers, and both maxima of it.
#pragma once

#include "cuda/device/best.cuh"

namespace qaconv::cuda {

constexpr int kRowTiles = 3;               // of 16 rows
constexpr int kWarpRows = kRowTiles * 16;  // rows of a warp
constexpr int kUnit = 16;                  // columns that are worked on at a time
constexpr int kMaxWarps = 4;               // of a thread block: 192 rows
using UnitSums = float[kRowTiles][2][4];   // [row tile][8 columns][fragment]

// The best of each of a lane's rows: rows 16 m + 8 half + group of the warp's.
template <bool kPositions>
using RowBests = Best<kPositions>[kRowTiles][2];

template <bool kPositions>
__device__ void clear_rows(RowBests<kPositions>& rows) {
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
        rows[m][0].clear();
        rows[m][1].clear();
    }
}

// Offers the sums of a unit to the maxima of its rows and of its columns. `row` is the position of
// the lane's first row, `column` of the unit's first column; the columns' bests go to
// columns[column + 0..15], joined with what is there unless `first_rows`.
//
// The rows of a column lie in the eight lanes with the same lane % 4. Each exchange halves the
// number of columns a lane holds, so 4 values take 2 + 1 + 1 exchanges and not 12.
template <bool kPositions>
__device__ void offer_unit(const UnitSums& sums, int row, int column, bool first_rows,
                           RowBests<kPositions>& rows, const BestArray<kPositions>& columns) {
    const int lane = threadIdx.x % 32;
    const int pair = 2 * (lane % 4);  // the lane's first column of each eight
    Best<kPositions> best[2][2];
#pragma unroll
    for (int eight = 0; eight < 2; ++eight) {
        best[eight][0].clear();
        best[eight][1].clear();
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const float sum = sums[m][eight][2 * half + e];
                    rows[m][half].offer(sum, column + 8 * eight + pair + e);
                    best[eight][e].offer(sum, row + 16 * m + 8 * half);
                }
            }
        }
    }
    const bool second_eight = lane & 16, odd = lane & 8;
    Best<kPositions> kept[2];
#pragma unroll
    for (int e = 0; e < 2; ++e) {
        const Best<kPositions> given = second_eight ? best[0][e] : best[1][e];
        kept[e] = second_eight ? best[1][e] : best[0][e];
        kept[e].merge(given.from_lane(16));
    }
    const Best<kPositions> given = odd ? kept[0] : kept[1];
    Best<kPositions> one = odd ? kept[1] : kept[0];
    one.merge(given.from_lane(8));
    one.merge(one.from_lane(4));
    if (lane & 4) return;
    const int at = column + (second_eight ? 8 : 0) + pair + (odd ? 1 : 0);
    if (!first_rows) one.merge(columns.load(at));
    columns.store(at, one);
}

// Joins the four lanes that share rows and stores the warp's 48 bests.
template <bool kPositions>
__device__ void store_rows(RowBests<kPositions>& rows, const BestArray<kPositions>& out) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            Best<kPositions>& best = rows[m][half];
            best.merge(best.from_lane(1));
            best.merge(best.from_lane(2));
            if (lane % 4 == 0) out.store(16 * m + 8 * half + lane / 4, best);
        }
    }
}

}  // namespace qaconv::cuda

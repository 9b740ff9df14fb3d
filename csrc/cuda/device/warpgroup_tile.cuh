// What a warp has of the products of its warpgroup, 16 rows (probe locations) of each block of 64
// times 64 columns (gallery locations), as wgmma leaves it in registers, and both maxima of it.
#pragma once

#include <cfloat>

#include "cuda/device/best.cuh"
#include "cuda/device/hopper.cuh"

namespace qaconv::cuda {

constexpr int kGroupRows = 64;  // of a block of rows
constexpr int kGroupWarps = 4;
constexpr int kGroupColumns = 64;

// The best of what this lane keeps of a column and of what another lane, `lane_mask` away, gives
// for what it gets.
template <bool kPositions>
__device__ Best<kPositions> exchanged(const Best<kPositions>& one, const Best<kPositions>& other,
                                      bool keeps_other, int lane_mask) {
    const Best<kPositions> given = keeps_other ? one : other;
    Best<kPositions> kept = keeps_other ? other : one;
    kept.merge(given.from_lane(lane_mask));
    return kept;
}

// Stores the columns of a tile, of which each lane has bests of its own: best_of(eight, e) of
// column 8 * eight + 2 * (lane % 4) + e. They are joined with what is there unless `first`.
//
// The rows of a column lie in the eight lanes with the same lane % 4. Each of three exchanges
// halves the number of columns a lane holds: 16 values take 8 + 4 + 2 shuffles and not 48. They
// halve such that in the end the lanes have 32 columns side by side, and the 32 after those.
template <bool kPositions, typename BestOf>
__device__ void store_columns(BestOf best_of, bool first, const BestArray<kPositions>& out) {
    const int lane = threadIdx.x % 32;
    const bool second = lane & 16, odd_eight = lane & 8, odd = lane & 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        Best<kPositions> of_eight[2][2];
#pragma unroll
        for (int eight = 0; eight < 2; ++eight) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                of_eight[eight][e] = exchanged(best_of(4 * half + eight, e),
                                               best_of(4 * half + 2 + eight, e), second, 16);
            }
        }
        const Best<kPositions> even = exchanged(of_eight[0][0], of_eight[1][0], odd_eight, 8);
        const Best<kPositions> uneven = exchanged(of_eight[0][1], of_eight[1][1], odd_eight, 8);
        Best<kPositions> one = exchanged(even, uneven, odd, 4);
        const int at = 32 * half + (lane & 24) + 2 * (lane % 4) + (odd ? 1 : 0);
        if (!first) one.merge(out.load(at));
        out.store(at, one);
    }
}

// The maxima of a lane: of its rows (16 * warp + lane / 4, + 8, of each of kBlocks blocks of 64)
// over all tiles of a map, of its 16 columns of a tile over all blocks.
template <bool kPositions, int kBlocks>
class LaneMaxima;

// Values alone. The bits of floats, taken as integers, order as the floats do where the larger one
// is not negative; and one instruction takes the largest of three integers. So a maximum that is
// not negative is right, and one of negative numbers alone is seen to be negative: such pairs are
// left to another variant.
template <int kBlocks>
class LaneMaxima<false, kBlocks> {
  public:
    __device__ explicit LaneMaxima(float /*zero*/) {}

    __device__ void start_map() {
#pragma unroll
        for (int m = 0; m < kBlocks; ++m) rows_[m][0] = rows_[m][1] = kLeast;
    }
    __device__ void next_tile() {}

    template <int kBlock>
    __device__ void offer(const WarpgroupSums& sums) {
#pragma unroll
        for (int n = 0; n < 8; ++n) {
            const auto bits = [&](int i) { return __float_as_int(sums[n][i]); };
            rows_[kBlock][0] = max(max(rows_[kBlock][0], bits(0)), bits(1));
            rows_[kBlock][1] = max(max(rows_[kBlock][1], bits(2)), bits(3));
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                columns_[n][e] = kBlock == 0 ? max(bits(e), bits(2 + e))
                                             : max(max(columns_[n][e], bits(e)), bits(2 + e));
            }
        }
    }

    __device__ void store_columns(int /*first_row*/, bool first, const BestArray<false>& out) {
        const auto best_of = [&](int eight, int e) {
            return Best<false>{__int_as_float(columns_[eight][e]), 0};
        };
        cuda::store_columns<false>(best_of, first, out);
    }

    // Of a block of rows: `out` are the warp's first 16.
    __device__ void store_rows(int /*tiles*/, const BestArray<false>& out) {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int m = 0; m < kBlocks; ++m) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                int row = rows_[m][half];
                row = max(row, __shfl_xor_sync(0xffffffffu, row, 1));
                row = max(row, __shfl_xor_sync(0xffffffffu, row, 2));
                if (lane % 4 == 0) {
                    out.store(kGroupRows * m + 8 * half + lane / 4, {__int_as_float(row), 0});
                }
            }
        }
    }

  private:
    static constexpr int kLeast = -0x7fffffff - 1;
    int rows_[kBlocks][2], columns_[8][2];
};

// Values and positions. A comparison takes a place on the pipe that has the least room, and so
// would a select: what has won is moved by an addition under a predicate, of which there is room
// for four times as many. What `zero` is, the compiler must not know.
//
// A position is a small number while it waits: of a column's best, 2 m + half says the row; of a
// row's, 2 n + e says the column of the tile at hand, less 16 for each tile since. As a float it is
// added to a number that has it in its last bits, which saves converting it.
template <int kBlocks>
class LaneMaxima<true, kBlocks> {
  public:
    __device__ explicit LaneMaxima(float zero) : zero_(zero) {}

    __device__ void start_map() {
#pragma unroll
        for (int m = 0; m < kBlocks; ++m) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                rows_[m][half] = -FLT_MAX;  // ordinary sums are larger; times zero it is no NaN
                row_codes_[m][half] = code(0);
            }
        }
    }
    __device__ void next_tile() {
#pragma unroll
        for (int m = 0; m < kBlocks; ++m) {
            row_codes_[m][0] -= 16;
            row_codes_[m][1] -= 16;
        }
    }

    template <int kBlock>
    __device__ void offer(const WarpgroupSums& sums) {
#pragma unroll
        for (int n = 0; n < 8; ++n) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const float sum = sums[n][2 * half + e];
                    take_if_larger(rows_[kBlock][half], row_codes_[kBlock][half], sum,
                                   code(2 * n + e));
                    if (kBlock == 0 && half == 0) {
                        columns_[n][e] = sum;
                        column_codes_[n][e] = code(0);
                    } else {
                        take_if_larger(columns_[n][e], column_codes_[n][e], sum,
                                       code(2 * kBlock + half));
                    }
                }
            }
        }
    }

    // `first_row` is the position of the lane's first row.
    __device__ void store_columns(int first_row, bool first, const BestArray<true>& out) {
        const auto best_of = [&](int eight, int e) {
            const int code = decoded(column_codes_[eight][e]);
            return Best<true>{columns_[eight][e], first_row + code / 2 * kGroupRows + code % 2 * 8};
        };
        cuda::store_columns<true>(best_of, first, out);
    }

    __device__ void store_rows(int tiles, const BestArray<true>& out) {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int m = 0; m < kBlocks; ++m) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int code = decoded(row_codes_[m][half]) + 16 * (tiles - 1);
                Best<true> best{rows_[m][half], code / 2 * 8 + 2 * (lane % 4) + code % 2};
                best.merge(best.from_lane(1));
                best.merge(best.from_lane(2));
                if (lane % 4 == 0) out.store(kGroupRows * m + 8 * half + lane / 4, best);
            }
        }
    }

  private:
    static constexpr float kOrigin = 0x1.8p23f;
    __device__ static float code(int number) { return kOrigin + static_cast<float>(number); }
    __device__ static int decoded(float code) {
        return __float_as_int(code) - __float_as_int(kOrigin);
    }

    __device__ void take_if_larger(float& best, float& code, float sum, float its_code) const {
        asm volatile(
            "{\n.reg .pred larger;\nsetp.gt.f32 larger, %2, %0;\n"
            "@larger fma.rn.f32 %0, %0, %4, %2;\n@larger fma.rn.f32 %1, %1, %4, %3;\n}"
            : "+f"(best), "+f"(code)
            : "f"(sum), "f"(its_code), "f"(zero_));
    }

    float zero_;
    float rows_[kBlocks][2], row_codes_[kBlocks][2];
    float columns_[8][2], column_codes_[8][2];
};

}  // namespace qaconv::cuda

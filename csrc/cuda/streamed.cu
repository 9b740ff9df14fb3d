// The tensor-core variant for any number of channels, and for float32 maps as two float16 numbers.
//
// As in resident.cu a thread block takes up to 192 locations of a probe map, 48 for each warp. But
// nothing stays: 32 channels of the rows and of some gallery locations at a time stream through a
// ring in shared memory, and the sums stay in registers until all channels have passed.
#include "cuda/device/tensor_core.cuh"
#include "cuda/device/tensor_launch.cuh"

namespace qaconv::cuda {
namespace {

// Maps of 16-bit numbers.
template <typename Type>
struct Plain {
    using Number = Type;
    static constexpr int kParts = 1;
    static constexpr int kProducts = 1;
    static constexpr int kUnits = 4;  // of 16 columns, at a time
    static constexpr int kStages = 3;
};

// float32 maps as high + low (operands.h). The three products have sums of their own: those of the
// mixed ones are added to each other first, so that a pair and its mirror have the same bits.
struct Split {
    using Number = Half;
    static constexpr int kParts = 2;
    static constexpr int kProducts = 3;
    static constexpr int kUnits = 2;
    static constexpr int kStages = 2;
};

constexpr int kPieces = kStreamedStep / 8;  // of 16 bytes, in a row of a stage
constexpr int kPitch = kPieces * 16;

// Where a row's piece lies in a stage. Two rows fill the 128 bytes of all banks; permuted so that
// the eight rows of a matrix lie in different ones.
__device__ uint32_t offset_of(int row, int piece) {
    return row * kPitch + ((piece ^ (row / 2 % 4)) << 4);
}

// What is multiplied next: so many channels of a block of rows with so many columns of a map.
struct Position {
    int32_t g;
    int row_block = 0, column = 0, channel = 0;

    __device__ void advance(const PairWork& work, int columns_at_once) {
        if ((channel += kStreamedStep) < work.probe.channels) return;
        channel = 0;
        if ((column += columns_at_once) < work.gallery.locations) return;
        column = 0;
        if (++row_block < work.row_blocks) return;
        row_block = 0;
        ++g;
    }
};

template <typename Scheme, typename Epilogue>
class Streamed {
    static constexpr bool kPositions = Epilogue::kPositions;
    static constexpr int kParts = Scheme::kParts;
    static constexpr int kColumns = Scheme::kUnits * kUnit;

  public:
    static __host__ __device__ int part_bytes(int warps) {
        return (warps * kWarpRows + kColumns) * kPitch;
    }
    static __host__ __device__ int ring_bytes(int warps) {
        return Scheme::kStages * kParts * part_bytes(warps);
    }

    __device__ Streamed(const PairWork& work, const Epilogue& epilogue, unsigned char* memory)
        : work_(work),
          epilogue_(epilogue),
          ring_(shared_address(memory)),
          lane_(threadIdx.x % 32),
          warp_(threadIdx.x / 32),
          warps_(blockDim.x / 32),
          maxima_(memory + ring_bytes(warps_), work) {}

    __device__ void run() {
        for (Task task(work_); task.is_there(work_); task.next(work_)) {
            const int begin = task.begin(work_), end = task.end(work_);
            if (begin < end && !probe_needs_fallback(work_, task.p)) sweep(task.p, begin, end);
        }
    }

  private:
    using Sums = float[Scheme::kProducts][Scheme::kUnits][kRowTiles][2][4];

    __device__ void sweep(int32_t p, int32_t begin, int32_t end) {
        Position issued{begin};
        const auto issue = [&](int slot) {
            if (issued.g < end) {
                copy_stage(slot, p, issued);
                issued.advance(work_, kColumns);
            }
            commit_copies();  // an empty group where nothing is left keeps the count
        };
        for (int slot = 0; slot < Scheme::kStages - 1; ++slot) issue(slot);
        int slot = 0;
        Sums sums;
        RowBests<kPositions> rows;
        for (Position now{begin}; now.g < end; now.advance(work_, kColumns)) {
            wait_for_copies<Scheme::kStages - 2>();
            // All warps see this stage; and all have left the stage before, whose slot is filled
            // next, and stored their maxima of the pair before.
            __syncthreads();
            if (now.channel == 0) {
                clear(sums);
                if (now.column == 0) {
                    if (now.row_block == 0 && now.g > begin) hand_over_pair(p, now.g - 1);
                    clear_rows<kPositions>(rows);
                }
            }
            issue((slot + Scheme::kStages - 1) % Scheme::kStages);
            multiply(slot, sums);
            if (now.channel + kStreamedStep >= work_.probe.channels) {
                offer(sums, now, rows);
                if (now.column + kColumns >= work_.gallery.locations) {
                    store_rows<kPositions>(rows, maxima_.rows().from(first_row(now)));
                }
            }
            slot = (slot + 1) % Scheme::kStages;
        }
        wait_for_copies<0>();
        __syncthreads();
        hand_over_pair(p, end - 1);
    }

    // Then the other half of the memory is written.
    __device__ void hand_over_pair(int32_t p, int32_t g) {
        hand_over(work_, epilogue_, p, g, maxima_);
        maxima_.next_pair();
    }

    __device__ int first_row(const Position& now) const {
        return (now.row_block * warps_ + warp_) * kWarpRows;
    }

    __device__ static void clear(Sums& sums) {
#pragma unroll
        for (int i = 0; i < static_cast<int>(sizeof(Sums) / sizeof(float)); ++i) {
            (&sums[0][0][0][0][0])[i] = 0;
        }
    }
    // The parts of a stage: first all rows, then all columns, of each part.
    __device__ uint32_t part_of(int slot, int part) const {
        return ring_ + (slot * kParts + part) * part_bytes(warps_);
    }

    __device__ void copy_stage(int slot, int32_t p, const Position& at) const {
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
            const uint32_t to = part_of(slot, part);
            copy_rows(to, work_.probe, part, p, at.row_block * warps_ * kWarpRows,
                      warps_ * kWarpRows, at.channel);
            copy_rows(to + warps_ * kWarpRows * kPitch, work_.gallery, part, at.g, at.column,
                      kColumns, at.channel);
        }
    }

    // Beyond the last location the last is repeated, which changes neither a maximum nor its lowest
    // position.
    __device__ void copy_rows(uint32_t to, const Operand& operand, int part, int64_t n, int first,
                              int count, int channel) const {
        const auto* bytes = reinterpret_cast<const char*>((part == 0 ? operand.high : operand.low) +
                                                          n * operand.locations * operand.channels);
        const int piece = threadIdx.x % kPieces, own = threadIdx.x / kPieces;
        const int64_t pitch = int64_t(2) * operand.channels;
        bytes += 2 * channel + piece * 16;
        to += offset_of(own, piece) - own * kPitch;  // the same for all rows of a thread, 8 k apart
        for (int row = own; row < count; row += blockDim.x / kPieces) {
            copy_16_bytes(to + row * kPitch,
                          bytes + min(first + row, operand.locations - 1) * pitch);
        }
    }

    __device__ void multiply(int slot, Sums& sums) const {
#pragma unroll
        for (int step = 0; step < kStreamedStep / 16; ++step) {
            uint32_t a[kParts][kRowTiles][4];
#pragma unroll
            for (int part = 0; part < kParts; ++part) {
                const uint32_t rows = part_of(slot, part);
#pragma unroll
                for (int m = 0; m < kRowTiles; ++m) {
                    const int row = warp_ * kWarpRows + m * 16 + lane_ % 16;
                    load_matrices(a[part][m], rows + offset_of(row, 2 * step + lane_ / 16));
                }
            }
#pragma unroll
            for (int unit = 0; unit < Scheme::kUnits; ++unit) {
                uint32_t b[kParts][4];
#pragma unroll
                for (int part = 0; part < kParts; ++part) {
                    const uint32_t columns = part_of(slot, part) + warps_ * kWarpRows * kPitch;
                    const int row = unit * kUnit + lane_ % 8 + lane_ / 16 * 8;
                    load_matrices(b[part], columns + offset_of(row, 2 * step + lane_ / 8 % 2));
                }
#pragma unroll
                for (int m = 0; m < kRowTiles; ++m) {
                    multiply_add(sums[0][unit][m], a[0][m], b[0]);
                    if constexpr (kParts == 2) {
                        multiply_add(sums[1][unit][m], a[0][m], b[1]);
                        multiply_add(sums[2][unit][m], a[1][m], b[0]);
                    }
                }
            }
        }
    }

    __device__ static void multiply_add(float (&sums)[2][4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[4]) {
        Scheme::Number::multiply(sums[0], a, b[0], b[1]);
        Scheme::Number::multiply(sums[1], a, b[2], b[3]);
    }

    __device__ void offer(Sums& sums, const Position& now, RowBests<kPositions>& rows) const {
#pragma unroll
        for (int unit = 0; unit < Scheme::kUnits; ++unit) {
            const int column = now.column + unit * kUnit;
            if (column >= work_.gallery.locations) return;
            if constexpr (kParts == 2) {
#pragma unroll
                for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
                    for (int i = 0; i < 8; ++i) {
                        float& sum = sums[0][unit][m][i / 4][i % 4];
                        sum = fmaf(sums[1][unit][m][i / 4][i % 4] + sums[2][unit][m][i / 4][i % 4],
                                   kLowStep, sum);
                    }
                }
            }
            offer_unit<kPositions>(sums[0][unit], first_row(now) + lane_ / 4, column,
                                   now.row_block == 0, rows, maxima_.columns_of_warp(warp_));
        }
    }

    const PairWork& work_;
    const Epilogue& epilogue_;
    uint32_t ring_;
    int lane_, warp_, warps_;
    PairMemory<kPositions> maxima_;
};

template <typename Scheme, typename Epilogue>
__global__ void __launch_bounds__(kMaxWarps * 32, 2)
    streamed_kernel(const __grid_constant__ PairWork work,
                    const __grid_constant__ Epilogue epilogue) {
#if QACONV_TENSOR_CORES
    extern __shared__ __align__(128) unsigned char memory[];
    Streamed<Scheme, Epilogue>(work, epilogue, memory).run();
#endif
}

template <typename Scheme, typename Epilogue>
Status launch(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    const int64_t bytes =
        Streamed<Scheme, Epilogue>::ring_bytes(RowPlan(sets.probe.locations).warps) +
        pair_memory_bytes(sets.probe.locations, sets.gallery.locations, Epilogue::kPositions);
    return launch_pairs(streamed_kernel<Scheme, Epilogue>, sets, epilogue, bytes, stream);
}

}  // namespace

int64_t streamed_memory(int64_t probe_locations, int64_t gallery_locations, bool positions,
                        bool split) {
    const int warps = RowPlan(probe_locations).warps;
    return pair_memory_bytes(probe_locations, gallery_locations, positions) +
           (split ? Streamed<Split, Scores<float>>::ring_bytes(warps)
                  : Streamed<Plain<Half>, Scores<float>>::ring_bytes(warps));
}

template <typename Epilogue>
Status launch_streamed(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    if (sets.probe.low != nullptr) return launch<Split>(sets, epilogue, stream);
    return sets.bfloat16 ? launch<Plain<BFloat16>>(sets, epilogue, stream)
                         : launch<Plain<Half>>(sets, epilogue, stream);
}

template Status launch_streamed(const PairSets&, const Scores<float>&, cudaStream_t);
template Status launch_streamed(const PairSets&, const Planes<float>&, cudaStream_t);

}  // namespace qaconv::cuda

// The tensor-core variant for float16 and bfloat16 maps of up to 128 channels.
//
// A thread block takes a probe map, up to 192 locations of it at a time. Each of its warps loads
// the fragments of 48 locations into registers, once for a whole run of gallery maps. The gallery
// maps stream through a ring of stages in shared memory, 48 locations each; every warp multiplies
// all of them with its own 48 locations, 16 at a time, and takes both maxima from the sums in
// registers.
#include "cuda/device/tensor_core.cuh"
#include "cuda/device/tensor_launch.cuh"

namespace qaconv::cuda {
namespace {

constexpr int kStages = 3;
constexpr int kStageRows = 48;  // gallery locations of a stage

template <typename Type, int kSteps, typename Epilogue>
class Resident {
    static constexpr bool kPositions = Epilogue::kPositions;
    static constexpr int kPieces = 2 * kSteps;  // of 16 bytes, in a location's channels
    static constexpr int kPitch = kPieces * 16;
    static constexpr int kStageBytes = kStageRows * kPitch;

  public:
    static constexpr int kRingBytes = kStages * kStageBytes;

    __device__ Resident(const PairWork& work, const Epilogue& epilogue, unsigned char* memory)
        : work_(work),
          epilogue_(epilogue),
          ring_(shared_address(memory)),
          lane_(threadIdx.x % 32),
          warp_(threadIdx.x / 32),
          warps_(blockDim.x / 32),
          maxima_(memory + kRingBytes, work) {}

    __device__ void run() {
        for (Task task(work_); task.is_there(work_); task.next(work_)) {
            const int begin = task.begin(work_), all = task.end(work_) - begin;
            if (all <= 0 || probe_needs_fallback(work_, task.p)) continue;
            // A map of several blocks of rows passes block after block for each gallery map.
            const int run = work_.row_blocks == 1 ? all : 1;
            for (int first = 0; first < all; first += run) {
                for (int block = 0; block < work_.row_blocks; ++block) {
                    sweep(task.p, block, begin + first, run);
                }
            }
        }
    }

  private:
    // One block of rows against `count` gallery maps.
    __device__ void sweep(int32_t p, int row_block, int32_t begin, int count) {
        const int stages_of_map = (work_.gallery.locations + kStageRows - 1) / kStageRows;
        load_probe(p, row_block);
        int issued_map = 0, issued_stage = 0;
        const auto issue = [&](int slot) {
            if (issued_map < count) {
                copy_rows(ring_ + slot * kStageBytes, map_of(work_.gallery, begin + issued_map),
                          issued_stage * kStageRows, kStageRows, work_.gallery.locations);
                if (++issued_stage == stages_of_map) {
                    issued_stage = 0;
                    ++issued_map;
                }
            }
            commit_copies();  // an empty group where nothing is left keeps the count
        };
        for (int slot = 0; slot < kStages - 1; ++slot) issue(slot);
        int slot = 0;
        for (int map = 0; map < count; ++map) {
            RowBests<kPositions> rows;
            for (int stage = 0; stage < stages_of_map; ++stage) {
                wait_for_copies<kStages - 2>();
                // All warps see this stage; and all have left the stage before, whose slot is
                // filled next, and stored their maxima of the pair before.
                __syncthreads();
                if (stage == 0) {
                    if (map > 0) hand_over_pair(p, begin + map - 1);
                    clear_rows<kPositions>(rows);
                }
                issue(slot == 0 ? kStages - 1 : slot - 1);
                multiply_stage(ring_ + slot * kStageBytes, row_block, stage * kStageRows, rows);
                slot = slot == kStages - 1 ? 0 : slot + 1;
            }
            store_rows<kPositions>(rows, maxima_.rows().from(first_row(row_block)));
        }
        wait_for_copies<0>();
        __syncthreads();
        if (row_block == work_.row_blocks - 1) hand_over_pair(p, begin + count - 1);
    }

    // Then the other half of the memory is written.
    __device__ void hand_over_pair(int32_t p, int32_t g) {
        hand_over(work_, epilogue_, p, g, maxima_);
        maxima_.next_pair();
    }

    __device__ int first_row(int row_block) const {
        return (row_block * warps_ + warp_) * kWarpRows;
    }

    __device__ static const uint16_t* map_of(const Operand& operand, int64_t n) {
        return operand.high + n * operand.locations * (kSteps * 16);
    }

    // Rows [first, first + count) of a map to shared memory; beyond the last the last is repeated,
    // which changes neither a maximum nor its lowest position. A row's 16-byte pieces are permuted
    // by the row, so that the eight rows of a matrix lie in different banks.
    __device__ void copy_rows(uint32_t to, const uint16_t* map, int first, int count,
                              int locations) const {
        const auto* bytes = reinterpret_cast<const char*>(map);
        const int piece = threadIdx.x % kPieces;
        for (int row = threadIdx.x / kPieces; row < count; row += blockDim.x / kPieces) {
            copy_16_bytes(to + row * kPitch + ((piece ^ (row & 7)) << 4),
                          bytes + static_cast<uint32_t>(min(first + row, locations - 1) * kPitch +
                                                        piece * 16));
        }
    }

    // The lane's address in a tile of 16 rows at its first step: `row` it brings, `piece` 0 or 1.
    // At another step the same with that step's bits, for a tile begins at a multiple of the pitch.
    __device__ static uint32_t first_step(uint32_t tile, int row, int piece) {
        return tile + row * kPitch + ((piece ^ (row & 7)) << 4);
    }
    __device__ static uint32_t at_step(uint32_t address, int step) { return address ^ step << 5; }

    // The warp's 48 rows as fragments. They pass through the ring, which is free between sweeps;
    // it holds the rows of some warps at a time.
    __device__ void load_probe(int32_t p, int row_block) {
        constexpr int kWarpsAtOnce = kRingBytes / (kWarpRows * kPitch);
        for (int first = 0; first < warps_; first += kWarpsAtOnce) {
            copy_rows(ring_, map_of(work_.probe, p), (row_block * warps_ + first) * kWarpRows,
                      min(kWarpsAtOnce, warps_ - first) * kWarpRows, work_.probe.locations);
            commit_copies();
            wait_for_copies<0>();
            __syncthreads();
            if (warp_ >= first && warp_ < first + kWarpsAtOnce) {
                const uint32_t rows = ring_ + (warp_ - first) * kWarpRows * kPitch;
                const uint32_t address = first_step(rows, lane_ % 16, lane_ / 16);
#pragma unroll
                for (int step = 0; step < kSteps; ++step) {
#pragma unroll
                    for (int m = 0; m < kRowTiles; ++m) {
                        load_matrices(probe_[step][m], at_step(address, step) + m * 16 * kPitch);
                    }
                }
            }
            __syncthreads();
        }
    }

    // The warp's rows against a stage of gallery locations, of which the first is `column`.
    __device__ void multiply_stage(uint32_t stage, int row_block, int column,
                                   RowBests<kPositions>& rows) {
        const int units =
            min(kStageRows / kUnit, (work_.gallery.locations - column + kUnit - 1) / kUnit);
        for (int unit = 0; unit < units; ++unit) {
            const uint32_t columns = first_step(stage + unit * kUnit * kPitch,
                                                lane_ % 8 + lane_ / 16 * 8, lane_ / 8 % 2);
            UnitSums sums = {};
#pragma unroll
            for (int step = 0; step < kSteps; ++step) {
                uint32_t b[4];
                load_matrices(b, at_step(columns, step));
#pragma unroll
                for (int m = 0; m < kRowTiles; ++m) {
                    Type::multiply(sums[m][0], probe_[step][m], b[0], b[1]);
                    Type::multiply(sums[m][1], probe_[step][m], b[2], b[3]);
                }
            }
            offer_unit<kPositions>(sums, first_row(row_block) + lane_ / 4, column + unit * kUnit,
                                   row_block == 0, rows, maxima_.columns_of_warp(warp_));
        }
    }

    const PairWork& work_;
    const Epilogue& epilogue_;
    uint32_t ring_;
    int lane_, warp_, warps_;
    PairMemory<kPositions> maxima_;
    uint32_t probe_[kSteps][kRowTiles][4];
};

template <typename Type, int kSteps, typename Epilogue>
__global__ void __launch_bounds__(kMaxWarps * 32, 2)
    resident_kernel(const __grid_constant__ PairWork work,
                    const __grid_constant__ Epilogue epilogue) {
#if QACONV_TENSOR_CORES
    extern __shared__ __align__(256) unsigned char memory[];
    Resident<Type, kSteps, Epilogue>(work, epilogue, memory).run();
#endif
}

template <typename Type, int kSteps, typename Epilogue>
Status launch(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    const int64_t bytes =
        Resident<Type, kSteps, Epilogue>::kRingBytes +
        pair_memory_bytes(sets.probe.locations, sets.gallery.locations, Epilogue::kPositions);
    return launch_pairs(resident_kernel<Type, kSteps, Epilogue>, sets, epilogue, bytes, stream);
}

}  // namespace

int64_t resident_memory(int64_t probe_locations, int64_t gallery_locations, bool positions) {
    return Resident<Half, kResidentChannels / 16, Scores<float>>::kRingBytes +
           pair_memory_bytes(probe_locations, gallery_locations, positions);
}

template <typename Epilogue>
Status launch_resident(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    constexpr int kMost = kResidentChannels / 16, kFew = kResidentStep / 16;
    if (sets.probe.channels == kResidentStep) {
        return sets.bfloat16 ? launch<BFloat16, kFew>(sets, epilogue, stream)
                             : launch<Half, kFew>(sets, epilogue, stream);
    }
    return sets.bfloat16 ? launch<BFloat16, kMost>(sets, epilogue, stream)
                         : launch<Half, kMost>(sets, epilogue, stream);
}

template Status launch_resident(const PairSets&, const Scores<float>&, cudaStream_t);
template Status launch_resident(const PairSets&, const Planes<float>&, cudaStream_t);

}  // namespace qaconv::cuda

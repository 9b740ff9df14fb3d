// The tensor-core variant of sm_90a for float16 and bfloat16 maps of up to 128 channels.
//
// A thread block takes two probe maps, one for each of two multiplying warpgroups, which keeps up
// to 192 locations of it in registers for a whole run of gallery maps. Gallery maps stream through
// a ring of stages in shared memory, 64 locations each, of which both warpgroups multiply every
// one: in up to three blocks of 64 rows, so that while the maxima of one block are taken, the next
// are being multiplied. The two take turns: one multiplies while the other ends its tile.
//
// A third warpgroup has the rest. One thread of it starts the copies; a warp for each multiplying
// warpgroup hands finished pairs over, so that nobody who multiplies waits for memory.
//
// A bulk copy moves bytes as they lie, and wgmma reads 8 x 8 matrices of 128 bytes; so the maps are
// packed as such matrices (Packing in operands.h), once for both sides. That also makes the word
// that a lane needs of a probe matrix the lane-th of its 32.
#include <utility>

#include "cuda/device/hopper_pairs.cuh"
#include "cuda/device/tensor_launch.cuh"

namespace qaconv::cuda {
namespace {

constexpr int kStages = 6;
constexpr int kGroups = 2;      // that multiply, in a thread block: a probe map each
constexpr int kMostBlocks = 3;  // of 64 rows, that a warpgroup keeps
constexpr int kThreads = (kGroups + 1) * kGroupThreads;
// Of a thread. At the start each has 168, and there are no more to be had.
constexpr int kFirstRegisters = 168;
// Barriers of the thread block: 0 is of all its threads; two for each multiplying warpgroup.
constexpr int kTurnBarrier = 1, kOwnBarrier = kTurnBarrier + kGroups;

// The locations of a probe map: sweeps of equal size over the gallery map, each of as many blocks
// of rows as it needs.
struct SweepPlan {
    int sweeps, blocks;
    __host__ __device__ explicit SweepPlan(int64_t locations) {
        const int tiles = tiles_of(locations);
        sweeps = (tiles + kMostBlocks - 1) / kMostBlocks;
        blocks = (tiles + sweeps - 1) / sweeps;
    }
    __host__ __device__ int rows() const { return sweeps * blocks * kGroupRows; }
};

// What the block keeps of pairs, in shared memory: each warpgroup has a pair of its own, and each
// of its warps bests of its own for the columns.
template <bool kPositions>
int64_t maxima_bytes(int64_t probe_locations, int64_t gallery_locations) {
    return kGroups * PairMemory<kPositions>::bytes(SweepPlan(probe_locations).rows(),
                                                   tiles_of(gallery_locations) * kTileLocations,
                                                   kGroupWarps);
}

struct Barriers {
    uint64_t filled[kStages], emptied[kStages];      // of a stage
    uint64_t stored[kGroups][2], taken[kGroups][2];  // of the maxima of a pair
};

template <typename Type, int kSteps, int kBlocks, typename Epilogue>
class Hopper {
    static constexpr bool kPositions = Epilogue::kPositions;
    static constexpr int kTileBytes = 2 * kSteps * kPieceBytes;
    // Of a thread that multiplies, and of any other; planes take more to hand over than a score.
    static constexpr int kMultiplyRegisters = kPositions ? 224 : 232;
    static constexpr int kOtherRegisters = kPositions ? 56 : 40;
    static_assert(kGroups * kMultiplyRegisters + kOtherRegisters <= (kGroups + 1) * kFirstRegisters,
                  "all together");
    // With positions there are not registers enough for all rows: the last block's stay in shared
    // memory.
    static constexpr bool kShared = kPositions && kBlocks == kMostBlocks;
    static constexpr int kHeld = kShared ? kBlocks - 1 : kBlocks;
    static constexpr int kSharedBytes = kShared ? kGroups * kTileBytes : 0;

  public:
    static constexpr int kRingBytes = kStages * kTileBytes;
    static constexpr int kMaximaAt = kRingBytes + kSharedBytes;

    __device__ Hopper(const PairWork& work, const Epilogue& epilogue, Barriers& barriers,
                      unsigned char* memory)
        : work_(work),
          epilogue_(epilogue),
          barriers_(barriers),
          ring_(shared_address(memory)),
          memory_(memory) {}

    // The body of a warpgroup's role is one branch: only so does ptxas count its registers.
    __device__ void run() {
        if (threadIdx.x == 0) start_barriers();
        __syncthreads();
        const int group = __shfl_sync(0xffffffffu, threadIdx.x / kGroupThreads, 0);
        if (group < kGroups) {
            take_registers<kMultiplyRegisters>();
            multiply(group);
        } else {
            keep_registers<kOtherRegisters>();
            const int warp = threadIdx.x / 32 % kGroupWarps;
            if (warp < kGroups) {
                hand_over(warp);
            } else if (warp == kGroups && threadIdx.x % 32 == 0) {
                copy();
            }
        }
    }

  private:
    __device__ void start_barriers() {
        for (int i = 0; i < kStages; ++i) {
            start_barrier(shared_address(&barriers_.filled[i]), 1);
            start_barrier(shared_address(&barriers_.emptied[i]), kGroups * kGroupWarps);
        }
        for (int group = 0; group < kGroups; ++group) {
            for (int turn = 0; turn < 2; ++turn) {
                start_barrier(shared_address(&barriers_.stored[group][turn]), kGroupWarps);
                start_barrier(shared_address(&barriers_.taken[group][turn]), 1);
            }
        }
        show_barriers_to_copies();
    }

    // ---- the copying thread -----------------------------------------------------------------

    __device__ void copy() const {
        const int tiles = tiles_of(work_.gallery.locations);
        Slot<kStages> slot;
        for (RunTask<kGroups> task(work_); task.is_there(); task.next()) {
            for (int32_t g = task.begin(); g < task.end(); ++g) {
                for (int sweep = 0; sweep < work_.row_blocks; ++sweep) {
                    const char* next = tile_of(work_.gallery, g, 0);
                    for (int tile = 0; tile < tiles; ++tile) {
                        const uint32_t filled = shared_address(&barriers_.filled[slot.number]);
                        wait_for_phase(shared_address(&barriers_.emptied[slot.number]),
                                       slot.parity ^ 1);
                        arrive_and_announce(filled, kTileBytes);
                        copy_bulk(stage(slot.number), next, kTileBytes, filled);
                        slot.advance();
                        next += kTileBytes;
                    }
                }
            }
        }
    }

    // ---- a warp that hands over -------------------------------------------------------------

    __device__ void hand_over(int group) const {
        Slot<2> turn;
        for (RunTask<kGroups> task(work_); task.is_there(); task.next()) {
            const int32_t p = task.probe(group);
            for (int32_t g = task.begin(); g < task.end(); ++g) {
                wait_for_phase(shared_address(&barriers_.stored[group][turn.number]), turn.parity);
                if (task.is_wanted(p, g)) {
                    epilogue_.take(p, g,
                                   {rows(group, turn.number), columns(group, turn.number),
                                    kGroupWarps, static_cast<int>(threadIdx.x % 32), 32,
                                    work_.column_pitch, 1.0f, work_.left_over});
                }
                __syncwarp();
                if (threadIdx.x % 32 == 0) {
                    arrive(shared_address(&barriers_.taken[group][turn.number]));
                }
                turn.advance();
            }
        }
    }

    // ---- a multiplying warpgroup ------------------------------------------------------------

    __device__ void multiply(int group) {
        const int tiles = tiles_of(work_.gallery.locations);
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % kGroupWarps;
        const int warp_row = warp * kGroupRows / kGroupWarps;
        Slot<kStages> slot;
        Slot<2> turn;
        LaneMaxima<kPositions, kBlocks> maxima(work_.zero);
        WarpgroupSums sums[kBlocks];
        if (group == kGroups - 1) announce(kTurnBarrier, kGroups * kGroupThreads);
        for (RunTask<kGroups> task(work_); task.is_there(); task.next()) {
            const int32_t p = min(task.probe(group), static_cast<int32_t>(work_.probe.count) - 1);
            const int32_t begin = task.begin(), end = task.end();
            for (int32_t g = begin; g < end; ++g) {
                for (int sweep = 0; sweep < work_.row_blocks; ++sweep) {
                    if (g == begin || work_.row_blocks > 1) load_probe(p, sweep * kBlocks, group);
                    const int first_row = sweep * kBlocks * kGroupRows + warp_row;
                    maxima.start_map();
                    for (int tile = 0; tile < tiles; ++tile) {
                        // All wait here in turn, so that one warpgroup's products come while the
                        // other has no use for the tensor cores.
                        meet(kTurnBarrier + group, kGroups * kGroupThreads);
                        wait_for_phase(shared_address(&barriers_.filled[slot.number]), slot.parity);
                        start_products(stage(slot.number), group, sums,
                                       std::make_integer_sequence<int, kBlocks>());
                        announce(kTurnBarrier + (group + 1) % kGroups, kGroups * kGroupThreads);
                        if (tile > 0) maxima.next_tile();
                        offer(sums, maxima, slot.number,
                              std::make_integer_sequence<int, kBlocks>());
                        slot.advance();
                        if (sweep == 0 && tile == 0) {
                            wait_for_phase(shared_address(&barriers_.taken[group][turn.number]),
                                           turn.parity ^ 1);
                        }
                        maxima.store_columns(
                            first_row + lane / 4, sweep == 0,
                            columns(group, turn.number)
                                .from(warp * work_.column_pitch + tile * kTileLocations));
                    }
                    maxima.store_rows(tiles, rows(group, turn.number).from(first_row));
                }
                __syncwarp();
                if (lane == 0) arrive(shared_address(&barriers_.stored[group][turn.number]));
                turn.advance();
            }
        }
        // The other's last announcement.
        if (group == 0) meet(kTurnBarrier, kGroups * kGroupThreads);
    }

    template <int... kBlock>
    __device__ void start_products(uint32_t stage, int group, WarpgroupSums (&sums)[kBlocks],
                                   std::integer_sequence<int, kBlock...>) const {
        begin_products();
        (start_block<kBlock>(described(stage, kPieceBytes, kMatrixBytes), group, sums[kBlock]),
         ...);
    }
    template <int kBlock>
    __device__ void start_block(uint64_t columns, int group, WarpgroupSums& sums) const {
        if constexpr (kBlock < kHeld) {
#pragma unroll
            for (int step = 0; step < kSteps; ++step) {
                start_product<Type>(sums, probe_[kBlock][step], columns + step * kStepOfDescription,
                                    step > 0);
            }
        } else {
            const uint64_t rows = described(shared_rows(group), kPieceBytes, kMatrixBytes);
#pragma unroll
            for (int step = 0; step < kSteps; ++step) {
                start_product<Type>(sums, rows + step * kStepOfDescription,
                                    columns + step * kStepOfDescription, step > 0);
            }
        }
        end_products();
    }

    // Takes the maxima of block after block as they come; after the last the stage is free.
    template <int... kBlock>
    __device__ void offer(WarpgroupSums (&sums)[kBlocks], LaneMaxima<kPositions, kBlocks>& maxima,
                          int slot, std::integer_sequence<int, kBlock...>) const {
        const auto one = [&](auto block) {
            constexpr int kOne = decltype(block)::value;
            wait_for_products<kBlocks - 1 - kOne>(sums[kOne]);
            if (kOne == kBlocks - 1 && threadIdx.x % 32 == 0) {
                arrive(shared_address(&barriers_.emptied[slot]));
            }
            maxima.template offer<kOne>(sums[kOne]);
        };
        (one(std::integral_constant<int, kBlock>()), ...);
    }

    // The warp's rows as fragments. Beyond the map its last tile comes once more: in positions
    // beyond the last, where it wins nothing.
    __device__ void load_probe(int32_t p, int first_tile, int group) {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % kGroupWarps;
        const int last = tiles_of(work_.probe.locations) - 1;
#pragma unroll
        for (int m = 0; m < kHeld; ++m) {
            const char* rows =
                tile_of(work_.probe, p, min(first_tile + m, last)) + warp * 2 * kMatrixBytes;
#pragma unroll
            for (int step = 0; step < kSteps; ++step) {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const char* matrix =
                        rows + (2 * step + i / 2) * kPieceBytes + i % 2 * kMatrixBytes;
                    probe_[m][step][i] = reinterpret_cast<const uint32_t*>(matrix)[lane];
                }
            }
        }
        if constexpr (kShared) {
            meet(kOwnBarrier + group, kGroupThreads);  // nobody multiplies by what lies there
            const auto* from = reinterpret_cast<const uint4*>(
                tile_of(work_.probe, p, min(first_tile + kHeld, last)));
            auto* to = reinterpret_cast<uint4*>(memory_ + kRingBytes + group * kTileBytes);
#pragma unroll
            for (int i = 0; i < kTileBytes / 16 / kGroupThreads; ++i) {
                const int at = i * kGroupThreads + static_cast<int>(threadIdx.x) % kGroupThreads;
                to[at] = from[at];
            }
            show_memory_to_products();
            meet(kOwnBarrier + group, kGroupThreads);
        }
    }

    // ---- where things lie -------------------------------------------------------------------

    __device__ static const char* tile_of(const Operand& operand, int64_t n, int tile) {
        return reinterpret_cast<const char*>(operand.high) +
               (n * tiles_of(operand.locations) + tile) * kTileBytes;
    }
    __device__ uint32_t stage(int slot) const { return ring_ + slot * kTileBytes; }
    __device__ uint32_t shared_rows(int group) const {
        return ring_ + kRingBytes + group * kTileBytes;
    }

    __device__ int row_count() const { return work_.row_blocks * kBlocks * kGroupRows; }
    __device__ unsigned char* maxima_of(int group, int turn) const {
        const int bytes = BestArray<kPositions>::bytes(row_count()) +
                          BestArray<kPositions>::bytes(kGroupWarps * work_.column_pitch);
        return memory_ + kMaximaAt + (2 * group + turn) * bytes;
    }
    __device__ BestArray<kPositions> rows(int group, int turn) const {
        return BestArray<kPositions>::at(maxima_of(group, turn), row_count());
    }
    __device__ BestArray<kPositions> columns(int group, int turn) const {
        return BestArray<kPositions>::at(
            maxima_of(group, turn) + BestArray<kPositions>::bytes(row_count()),
            kGroupWarps * work_.column_pitch);
    }

    const PairWork& work_;
    const Epilogue& epilogue_;
    Barriers& barriers_;
    uint32_t ring_;
    unsigned char* memory_;
    uint32_t probe_[kHeld][kSteps][4];
};

template <typename Type, int kSteps, int kBlocks, typename Epilogue>
__global__ void __launch_bounds__(kThreads, 1)
    hopper_kernel(const __grid_constant__ PairWork work,
                  const __grid_constant__ Epilogue epilogue) {
#if QACONV_HOPPER
    __shared__ Barriers barriers;
    extern __shared__ __align__(128) unsigned char memory[];
    Hopper<Type, kSteps, kBlocks, Epilogue>(work, epilogue, barriers, memory).run();
#endif
}

template <typename Type, int kSteps, int kBlocks, typename Epilogue>
Status launch(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    const int64_t bytes =
        Hopper<Type, kSteps, kBlocks, Epilogue>::kMaximaAt +
        maxima_bytes<Epilogue::kPositions>(sets.probe.locations, sets.gallery.locations);
    const auto kernel = hopper_kernel<Type, kSteps, kBlocks, Epilogue>;
    const Residency device = residency_of(reinterpret_cast<const void*>(kernel), kThreads, bytes);
    const PairWork work{sets.probe,
                        sets.gallery,
                        sets.triangle,
                        best_run(sets, kGroups, device.processors, 1.5),
                        SweepPlan(sets.probe.locations).sweeps,
                        tiles_of(sets.gallery.locations) * kTileLocations,
                        sets.left_over,
                        0.0f};
    const unsigned blocks = blocks_of(sets, kGroups, work.run, device.processors);
    return cuda::launch(kernel, blocks, kThreads, bytes, stream, work, epilogue);
}

template <typename Type, int kSteps, typename Epilogue>
Status launch_blocks(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    switch (SweepPlan(sets.probe.locations).blocks) {
        case 1:
            return launch<Type, kSteps, 1>(sets, epilogue, stream);
        case 2:
            return launch<Type, kSteps, 2>(sets, epilogue, stream);
        default:
            return launch<Type, kSteps, 3>(sets, epilogue, stream);
    }
}

constexpr int kMost = kResidentChannels / 16, kFew = kResidentStep / 16;

}  // namespace

bool hopper_is_quicker(int64_t locations, int64_t other_locations) {
    // Both multiply by what fills up their tiles too; for as much, an H100 took 2.4 times as long
    // by the resident variant.
    const auto hopper = [](int64_t s, int64_t r) {
        return SweepPlan(s).rows() * tiles_of(r) * kTileLocations;
    };
    const auto resident = [](int64_t s, int64_t r) { return RowPlan(s).rows() * up_to(r, kUnit); };
    return 5 * (hopper(locations, other_locations) + hopper(other_locations, locations)) <=
           12 * (resident(locations, other_locations) + resident(other_locations, locations));
}

bool has_hopper_variant() {
    // Machine code for any other architecture, 9.0 without the "a" too, is an empty kernel, which
    // shows by having no barriers.
    const auto kernel = hopper_kernel<Half, kMost, kMostBlocks, Scores<float>>;
    return static_shared_bytes(reinterpret_cast<const void*>(kernel)) > 0;
}

int64_t hopper_memory(int64_t probe_locations, int64_t gallery_locations, bool positions) {
    // The barriers, filled up to where dynamic memory may begin.
    constexpr int64_t kStatic = (sizeof(Barriers) + kMatrixBytes - 1) / kMatrixBytes * kMatrixBytes;
    return kStatic +
           (positions ? maxima_bytes<true>(probe_locations, gallery_locations)
                      : maxima_bytes<false>(probe_locations, gallery_locations)) +
           Hopper<Half, kMost, kMostBlocks, Planes<float>>::kMaximaAt;
}

template <typename Epilogue>
Status launch_hopper(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    if (sets.probe.channels == kResidentStep) {
        return sets.bfloat16 ? launch_blocks<BFloat16, kFew>(sets, epilogue, stream)
                             : launch_blocks<Half, kFew>(sets, epilogue, stream);
    }
    return sets.bfloat16 ? launch_blocks<BFloat16, kMost>(sets, epilogue, stream)
                         : launch_blocks<Half, kMost>(sets, epilogue, stream);
}

template Status launch_hopper(const PairSets&, const Scores<float>&, cudaStream_t);
template Status launch_hopper(const PairSets&, const Planes<float>&, cudaStream_t);

}  // namespace qaconv::cuda

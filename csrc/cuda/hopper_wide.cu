// The tensor-core variant of sm_90a for what leaves no room in registers: more than 128 channels,
// and float32 maps as two float16 numbers.
//
// A thread block takes a probe map, up to 192 locations of it at a time, which lie in shared
// memory: a warpgroup multiplies each 64 of them. Gallery maps stream through a ring of stages, 64
// channels of 64 locations each, of which every warpgroup multiplies every one. A warpgroup that
// has all channels of a tile takes its maxima, while the others multiply.
//
// One more warpgroup has the rest: a thread starts the copies, a warp hands finished pairs over.
#include "cuda/device/hopper_pairs.cuh"
#include "cuda/device/tensor_launch.cuh"

namespace qaconv::cuda {
namespace {

constexpr int kMostGroups = 3;  // that multiply, in a thread block
constexpr int kChunkSteps = 4;  // of 16 channels, in a stage
constexpr int kChunkBytes = 2 * kChunkSteps * kPieceBytes;
constexpr int kMultiplyRegisters = 152, kOtherRegisters = 56;  // of a thread
static_assert(kMostGroups * kMultiplyRegisters + kOtherRegisters <= 512,
              "what a processor has for a lane of each warpgroup; a smaller block leaves some");

// Maps of 16-bit numbers.
template <typename Type>
struct Plain {
    using Number = Type;
    static constexpr int kParts = 1, kProducts = 1, kStages = 8;
};

// float32 maps as high + low (operands.h). The three products have sums of their own: those of the
// mixed ones are added to each other first, so that a pair and its mirror have the same bits.
struct Split {
    using Number = Half;
    static constexpr int kParts = 2, kProducts = 3, kStages = 4;
};

constexpr int kRingBytes = 8 * kChunkBytes;
static_assert(Plain<Half>::kParts * Plain<Half>::kStages * kChunkBytes == kRingBytes &&
                  Split::kParts * Split::kStages * kChunkBytes == kRingBytes,
              "the rings are of one size");

// The locations of a probe map: sweeps of equal size over the gallery map, each of as many tiles as
// find room. `bytes`: of dynamic shared memory.
struct WidePlan {
    int sweeps = 0, groups = 0;
    int64_t bytes = 0;
    static constexpr int64_t kStatic = 1024;  // the barriers, and up to where dynamic memory begins
    static constexpr int64_t kMostBytes = 227 * 1024 - kStatic;  // of sm_90

    WidePlan(int64_t locations, int64_t gallery_locations, int64_t channels, bool split,
             bool positions) {
        const int tiles = tiles_of(locations);
        for (int most = kMostGroups; most > 0; --most) {
            sweeps = (tiles + most - 1) / most;
            groups = (tiles + sweeps - 1) / sweeps;
            const int rows = sweeps * groups * kGroupRows, warps = groups * kGroupWarps;
            const int pitch = tiles_of(gallery_locations) * kTileLocations;
            bytes = kRingBytes + groups * channels * 2 * kTileLocations * (split ? 2 : 1) +
                    (positions ? PairMemory<true>::bytes(rows, pitch, warps)
                               : PairMemory<false>::bytes(rows, pitch, warps));
            if (bytes <= kMostBytes) return;
        }
    }
};

template <int kStages>
struct Barriers {
    uint64_t filled[kStages], emptied[kStages];  // of a stage
    uint64_t probe_filled, probe_emptied;
    uint64_t stored[2], taken[2];  // of the maxima of a pair
};

template <typename Scheme, typename Epilogue>
class Wide {
    using Number = typename Scheme::Number;
    static constexpr bool kPositions = Epilogue::kPositions;
    static constexpr int kParts = Scheme::kParts, kStages = Scheme::kStages;

  public:
    using Bars = Barriers<kStages>;

    __device__ Wide(const PairWork& work, const Epilogue& epilogue, Bars& barriers,
                    unsigned char* memory)
        : work_(work),
          epilogue_(epilogue),
          barriers_(barriers),
          memory_(memory),
          ring_(shared_address(memory)),
          groups_(blockDim.x / kGroupThreads - 1) {}

    __device__ void run() {
        if (threadIdx.x == 0) start_barriers();
        __syncthreads();
        const int group = __shfl_sync(0xffffffffu, threadIdx.x / kGroupThreads, 0);
        if (group < groups_) {
            take_registers<kMultiplyRegisters>();
            multiply(group);
        } else {
            keep_registers<kOtherRegisters>();
            const int warp = threadIdx.x / 32 % kGroupWarps;
            if (warp == 0) hand_over();
            if (warp == 1 && threadIdx.x % 32 == 0) copy();
        }
    }

  private:
    using Sums = WarpgroupSums[Scheme::kProducts];

    __device__ void start_barriers() {
        const int warps = groups_ * kGroupWarps;
        for (int i = 0; i < kStages; ++i) {
            start_barrier(shared_address(&barriers_.filled[i]), 1);
            start_barrier(shared_address(&barriers_.emptied[i]), warps);
        }
        start_barrier(shared_address(&barriers_.probe_filled), 1);
        start_barrier(shared_address(&barriers_.probe_emptied), warps);
        for (int turn = 0; turn < 2; ++turn) {
            start_barrier(shared_address(&barriers_.stored[turn]), warps);
            start_barrier(shared_address(&barriers_.taken[turn]), 1);
        }
        show_barriers_to_copies();
    }

    // ---- the copying thread -----------------------------------------------------------------

    __device__ void copy() const {
        const int tiles = tiles_of(work_.gallery.locations);
        Slot<kStages> slot;
        Slot<1> probe;
        for (RunTask<1> task(work_); task.is_there(); task.next()) {
            for (int32_t g = task.begin(); g < task.end(); ++g) {
                for (int sweep = 0; sweep < work_.row_blocks; ++sweep) {
                    if (g == task.begin() || work_.row_blocks > 1) {
                        wait_for_phase(shared_address(&barriers_.probe_emptied), probe.parity ^ 1);
                        copy_probe(task.probe(0), sweep);
                        probe.advance();
                    }
                    for (int tile = 0; tile < tiles; ++tile) copy_tile(g, tile, slot);
                }
            }
        }
    }

    // Beyond the map its last tile comes once more: in positions beyond the last, where it wins
    // nothing.
    __device__ void copy_probe(int32_t p, int sweep) const {
        const uint32_t filled = shared_address(&barriers_.probe_filled);
        const int last = tiles_of(work_.probe.locations) - 1;
        arrive_and_announce(filled, kParts * groups_ * tile_bytes());
        for (int part = 0; part < kParts; ++part) {
            for (int group = 0; group < groups_; ++group) {
                copy_bulk(rows_of(part, group),
                          tile_of(work_.probe, part, p, min(sweep * groups_ + group, last)),
                          tile_bytes(), filled);
            }
        }
    }

    __device__ void copy_tile(int32_t g, int tile, Slot<kStages>& slot) const {
        const int64_t begin =
            (int64_t(g) * tiles_of(work_.gallery.locations) + tile) * tile_bytes();
        for (uint32_t at = 0; at < tile_bytes(); at += kChunkBytes) {
            const uint32_t filled = shared_address(&barriers_.filled[slot.number]);
            wait_for_phase(shared_address(&barriers_.emptied[slot.number]), slot.parity ^ 1);
            arrive_and_announce(filled, kParts * kChunkBytes);
#pragma unroll
            for (int part = 0; part < kParts; ++part) {
                copy_bulk(stage(slot.number, part), numbers(work_.gallery, part) + begin + at,
                          kChunkBytes, filled);
            }
            slot.advance();
        }
    }

    // ---- the warp that hands over -----------------------------------------------------------

    __device__ void hand_over() const {
        Slot<2> turn;
        for (RunTask<1> task(work_); task.is_there(); task.next()) {
            const int32_t p = task.probe(0);
            for (int32_t g = task.begin(); g < task.end(); ++g) {
                wait_for_phase(shared_address(&barriers_.stored[turn.number]), turn.parity);
                if (task.is_wanted(p, g)) {
                    epilogue_.take(p, g,
                                   {rows(turn.number), columns(turn.number), groups_ * kGroupWarps,
                                    static_cast<int>(threadIdx.x % 32), 32, work_.column_pitch,
                                    scale_of(work_, p, g), work_.left_over});
                }
                __syncwarp();
                if (threadIdx.x % 32 == 0) arrive(shared_address(&barriers_.taken[turn.number]));
                turn.advance();
            }
        }
    }

    // ---- a multiplying warpgroup ------------------------------------------------------------

    __device__ void multiply(int group) {
        const int tiles = tiles_of(work_.gallery.locations);
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % kGroupWarps;
        Slot<kStages> slot;
        Slot<1> probe;
        Slot<2> turn;
        LaneMaxima<kPositions, 1> maxima(work_.zero);
        Sums sums;
        for (RunTask<1> task(work_); task.is_there(); task.next()) {
            const int32_t begin = task.begin(), end = task.end();
            for (int32_t g = begin; g < end; ++g) {
                for (int sweep = 0; sweep < work_.row_blocks; ++sweep) {
                    if (g == begin || work_.row_blocks > 1) {
                        wait_for_phase(shared_address(&barriers_.probe_filled), probe.parity);
                        probe.advance();
                    }
                    const int first_row =
                        (sweep * groups_ + group) * kGroupRows + warp * kGroupRows / kGroupWarps;
                    maxima.start_map();
                    for (int tile = 0; tile < tiles; ++tile) {
                        if (tile > 0) maxima.next_tile();
                        multiply_tile(group, sums, slot);
                        if constexpr (kParts == 2) {
                            WarpgroupSums whole;
                            join(sums, whole);
                            maxima.template offer<0>(whole);
                        } else {
                            maxima.template offer<0>(sums[0]);
                        }
                        if (sweep == 0 && tile == 0) {
                            wait_for_phase(shared_address(&barriers_.taken[turn.number]),
                                           turn.parity ^ 1);
                        }
                        maxima.store_columns(
                            first_row + lane / 4, sweep == 0,
                            columns(turn.number)
                                .from((group * kGroupWarps + warp) * work_.column_pitch +
                                      tile * kTileLocations));
                    }
                    maxima.store_rows(tiles, rows(turn.number).from(first_row));
                    if (g == end - 1 || work_.row_blocks > 1) {
                        __syncwarp();
                        if (lane == 0) arrive(shared_address(&barriers_.probe_emptied));
                    }
                }
                __syncwarp();
                if (lane == 0) arrive(shared_address(&barriers_.stored[turn.number]));
                turn.advance();
            }
        }
    }

    // The warpgroup's rows with a tile of the gallery map, chunk after chunk of the channels.
    __device__ void multiply_tile(int group, Sums& sums, Slot<kStages>& slot) const {
        const int lane = threadIdx.x % 32;
        const int chunks = work_.probe.channels / (16 * kChunkSteps);
        int before = 0;  // the slot of the chunk before
        for (int chunk = 0; chunk < chunks; ++chunk) {
            wait_for_phase(shared_address(&barriers_.filled[slot.number]), slot.parity);
            start_chunk(group, chunk, slot.number, sums);
            if (chunk > 0) {
                wait_for_earlier_products<1>();
                if (lane == 0) arrive(shared_address(&barriers_.emptied[before]));
            }
            before = slot.number;
            slot.advance();
        }
#pragma unroll
        for (int product = 0; product < Scheme::kProducts; ++product) {
            wait_for_products<0>(sums[product]);
        }
        if (lane == 0) arrive(shared_address(&barriers_.emptied[before]));
    }

    // Of the three products, the whole.
    __device__ static void join(const Sums& sums, WarpgroupSums& whole) {
#pragma unroll
        for (int n = 0; n < 8; ++n) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                whole[n][i] = fmaf(sums[1][n][i] + sums[2][n][i], kLowStep, sums[0][n][i]);
            }
        }
    }

    __device__ void start_chunk(int group, int chunk, int slot, Sums& sums) const {
        const auto rows = [&](int part) {
            return described(rows_of(part, group) + chunk * kChunkBytes, kPieceBytes, kMatrixBytes);
        };
        const auto columns = [&](int part) {
            return described(stage(slot, part), kPieceBytes, kMatrixBytes);
        };
        begin_products();
        add(sums[0], rows(0), columns(0), chunk > 0);
        if constexpr (kParts == 2) {
            add(sums[1], rows(0), columns(1), chunk > 0);
            add(sums[2], rows(1), columns(0), chunk > 0);
        }
        end_products();
    }
    __device__ static void add(WarpgroupSums& sums, uint64_t rows, uint64_t columns, bool more) {
#pragma unroll
        for (int step = 0; step < kChunkSteps; ++step) {
            start_product<Number>(sums, rows + step * kStepOfDescription,
                                  columns + step * kStepOfDescription, more || step > 0);
        }
    }

    // ---- where things lie -------------------------------------------------------------------

    __device__ static const char* numbers(const Operand& operand, int part) {
        return reinterpret_cast<const char*>(part == 0 ? operand.high : operand.low);
    }
    __device__ uint32_t tile_bytes() const { return work_.probe.channels * 2 * kTileLocations; }
    __device__ const char* tile_of(const Operand& operand, int part, int64_t n, int tile) const {
        return numbers(operand, part) + (n * tiles_of(operand.locations) + tile) * tile_bytes();
    }
    __device__ uint32_t stage(int slot, int part) const {
        return ring_ + (slot * kParts + part) * kChunkBytes;
    }
    __device__ uint32_t rows_of(int part, int group) const {
        return ring_ + kRingBytes + (part * groups_ + group) * tile_bytes();
    }

    __device__ int row_count() const { return work_.row_blocks * groups_ * kGroupRows; }
    __device__ int column_count() const { return groups_ * kGroupWarps * work_.column_pitch; }
    __device__ unsigned char* maxima_of(int turn) const {
        return memory_ + kRingBytes + kParts * groups_ * tile_bytes() +
               turn * (BestArray<kPositions>::bytes(row_count()) +
                       BestArray<kPositions>::bytes(column_count()));
    }
    __device__ BestArray<kPositions> rows(int turn) const {
        return BestArray<kPositions>::at(maxima_of(turn), row_count());
    }
    __device__ BestArray<kPositions> columns(int turn) const {
        return BestArray<kPositions>::at(
            maxima_of(turn) + BestArray<kPositions>::bytes(row_count()), column_count());
    }

    const PairWork& work_;
    const Epilogue& epilogue_;
    Bars& barriers_;
    unsigned char* memory_;
    uint32_t ring_;
    int groups_;
};

template <typename Scheme, typename Epilogue>
__global__ void __launch_bounds__((kMostGroups + 1) * kGroupThreads, 1)
    hopper_wide_kernel(const __grid_constant__ PairWork work,
                       const __grid_constant__ Epilogue epilogue) {
#if QACONV_HOPPER
    __shared__ typename Wide<Scheme, Epilogue>::Bars barriers;
    extern __shared__ __align__(128) unsigned char memory[];
    Wide<Scheme, Epilogue>(work, epilogue, barriers, memory).run();
#endif
}

template <typename Scheme, typename Epilogue>
Status launch(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    const WidePlan plan(sets.probe.locations, sets.gallery.locations, sets.probe.channels,
                        Scheme::kParts == 2, Epilogue::kPositions);
    const auto kernel = hopper_wide_kernel<Scheme, Epilogue>;
    const int threads = (plan.groups + 1) * kGroupThreads;
    const int64_t slots =
        residency_of(reinterpret_cast<const void*>(kernel), threads, plan.bytes).slots();
    const PairWork work{sets.probe,     sets.gallery,
                        sets.triangle,  best_run(sets, 1, slots, 1.0),
                        plan.sweeps,    tiles_of(sets.gallery.locations) * kTileLocations,
                        sets.left_over, 0.0f};
    return cuda::launch(kernel, blocks_of(sets, 1, work.run, slots), threads, plan.bytes, stream,
                        work, epilogue);
}

}  // namespace

int64_t hopper_wide_memory(int64_t probe_locations, int64_t gallery_locations, int64_t channels,
                           bool positions, bool split) {
    const int64_t padded = up_to(channels, 16 * kChunkSteps);
    return WidePlan(probe_locations, gallery_locations, padded, split, positions).bytes +
           WidePlan::kStatic;
}

template <typename Epilogue>
Status launch_hopper_wide(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
    if (sets.probe.low != nullptr) return launch<Split>(sets, epilogue, stream);
    return sets.bfloat16 ? launch<Plain<BFloat16>>(sets, epilogue, stream)
                         : launch<Plain<Half>>(sets, epilogue, stream);
}

template Status launch_hopper_wide(const PairSets&, const Scores<float>&, cudaStream_t);
template Status launch_hopper_wide(const PairSets&, const Planes<float>&, cudaStream_t);

}  // namespace qaconv::cuda

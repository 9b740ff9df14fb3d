// The Hopper text, experimental: float16 and bfloat16 maps of up to 128 channels on sm_90a. It has
// run under an emulator only, whose reading of these instructions was never held against hardware.
//
// A thread block takes a probe map, up to 192 places of it at a time: a warpgroup for each 64,
// which keeps them in registers for a whole run of gallery maps, and one more, of which a single
// thread lets gallery maps stream through a ring of stages in shared memory, 64 places each, a bulk
// copy a stage. Every warpgroup multiplies every stage with its own 64 places and takes both maxima
// from the sums in registers.
//
// A bulk copy moves bytes as they lie, and wgmma reads 8 x 8 matrices of 128 bytes; so the maps are
// packed as such matrices (Packing in operands.h), once for both sides. That also makes the word
// that a lane needs of a probe matrix the lane-th of its 32.
#include "cuda/device/hopper.cuh"
#include "cuda/device/tensor_launch.cuh"
#include "cuda/device/warpgroup_tile.cuh"

namespace qaconv::cuda {
namespace {

constexpr int kStages = 4;
constexpr int kMostGroups = 3;  // that multiply, in a thread block: 192 rows
constexpr int kMultiplyRegisters = 160, kCopyRegisters = 32;  // of a thread
static_assert(kMostGroups * kMultiplyRegisters + kCopyRegisters <= 512,
              "what a processor has for a lane of each warpgroup; a smaller block leaves some");
constexpr int kMatrixBytes = 128;
constexpr int kTilePlaces = 64;
constexpr int kPieceBytes = kTilePlaces * 16;  // 8 channels of all places of a tile
static_assert(kTilePlaces == kTiledPlaces && kTilePlaces == kGroupRows &&
                  kTilePlaces == kGroupColumns,
              "a tile is what a warpgroup keeps, and what it multiplies by");

__host__ __device__ int tiles_of(int64_t places) {
    return static_cast<int>((places + kTilePlaces - 1) / kTilePlaces);
}

template <typename Type, int kSteps, typename Sink>
class Hopper {
    static constexpr bool kPositions = Sink::kPositions;
    static constexpr int kTileBytes = 2 * kSteps * kPieceBytes;
    // The warps of the last warpgroup have none.
    using Maxima = PairMemory<kPositions, kGroupWarpRows, kGroupWarps>;

  public:
    static constexpr int kRingBytes = kStages * kTileBytes;

    __device__ Hopper(const PairWork& work, const Sink& sink, uint64_t* barriers,
                      unsigned char* memory)
        : work_(work),
          sink_(sink),
          barriers_(shared_address(barriers)),
          ring_(shared_address(memory)),
          lane_(threadIdx.x % 32),
          warp_(threadIdx.x / 32),
          maxima_(memory + kRingBytes, work) {}

    __device__ void run() {
        if (threadIdx.x == 0) {
            for (int slot = 0; slot < kStages; ++slot) {
                start_barrier(filled(slot), 1);
                start_barrier(emptied(slot), Maxima::warps());
            }
            show_barriers_to_copies();
        }
        __syncthreads();
        if (warp_ < Maxima::warps()) {
            take_registers<kMultiplyRegisters>();
            for_each_sweep([&](int32_t p, int row_block, int32_t begin, int count) {
                multiply(p, row_block, begin, count);
            });
        } else {
            keep_registers<kCopyRegisters>();
            if (threadIdx.x != Maxima::threads()) return;
            for_each_sweep([&](int32_t, int, int32_t begin, int count) { copy(begin, count); });
        }
    }

  private:
    // A slot of the ring, and the parity of the phase in which it is filled for this round.
    struct Slot {
        int number = 0;
        uint32_t parity = 0;

        __device__ void advance() {
            if (++number < kStages) return;
            number = 0;
            parity ^= 1;
        }
    };

    // body(p, row_block, begin, count): one block of rows against so many gallery maps. The copying
    // thread and the multiplying warps walk alike.
    template <typename Body>
    __device__ void for_each_sweep(Body body) {
        for (Task task(work_); task.is_there(work_); task.next(work_)) {
            const int begin = task.begin(work_), all = task.end(work_) - begin;
            if (all <= 0 || work_.probe.wild[task.p]) continue;
            // A map of several blocks of rows passes block after block for each gallery map.
            const int run = work_.row_blocks == 1 ? all : 1;
            for (int first = 0; first < all; first += run) {
                for (int block = 0; block < work_.row_blocks; ++block) {
                    body(task.p, block, begin + first, run);
                }
            }
        }
    }

    __device__ void copy(int32_t begin, int count) {
        const char* next = tile_of(work_.gallery, begin, 0);  // maps follow each other
        for (int left = count * tiles_of(work_.gallery.places); left > 0; --left) {
            wait_for_phase(emptied(slot_.number), slot_.parity ^ 1);
            arrive_and_announce(filled(slot_.number), kTileBytes);
            copy_bulk(stage(slot_.number), next, kTileBytes, filled(slot_.number));
            slot_.advance();
            next += kTileBytes;
        }
    }

    __device__ void multiply(int32_t p, int row_block, int32_t begin, int count) {
        const int tiles = tiles_of(work_.gallery.places);
        const int first_row = (row_block * Maxima::warps() + warp_) * kGroupWarpRows;
        load_probe(p, row_block);
        WarpgroupSums sums;
        for (int map = 0; map < count; ++map) {
            GroupRowBests<kPositions> rows;
            rows[0].clear();
            rows[1].clear();
            for (int tile = 0; tile < tiles; ++tile) {
                wait_for_phase(filled(slot_.number), slot_.parity);
                start_products(stage(slot_.number), sums);
                // Meanwhile: all have stored their maxima of the pair before.
                if (tile == 0 && map > 0) hand_over_pair(p, begin + map - 1);
                wait_for_products(sums);
                if (lane_ == 0) arrive(emptied(slot_.number));
                slot_.advance();
                offer_tile<kPositions>(sums, first_row + lane_ / 4, tile * kTilePlaces,
                                       row_block == 0, rows, maxima_.columns_of_warp(warp_));
            }
            store_group_rows<kPositions>(rows, maxima_.rows().from(first_row));
        }
        if (row_block == work_.row_blocks - 1) hand_over_pair(p, begin + count - 1);
    }

    __device__ void start_products(uint32_t stage, WarpgroupSums& sums) {
        const uint64_t first = described(stage, kPieceBytes, kMatrixBytes);
        begin_products();
        start_product<Type, 0>(sums, probe_[0], first);
#pragma unroll
        for (int step = 1; step < kSteps; ++step) {
            start_product<Type, 1>(sums, probe_[step], first + step * (2 * kPieceBytes >> 4));
        }
        end_products();
    }

    // Then the other half of the memory is written; whoever comes to write this one again has met
    // all others once more, who have handed over their share by then.
    __device__ void hand_over_pair(int32_t p, int32_t g) {
        meet(Maxima::threads());
        hand_over(work_, sink_, p, g, maxima_);
        maxima_.next_pair();
    }

    // The warp's 16 rows as fragments. A block of rows beyond the map gets its last tile once more:
    // in positions beyond the last, where it wins nothing.
    __device__ void load_probe(int32_t p, int row_block) {
        const int tile = min((row_block * Maxima::warps() + warp_) / kGroupWarps,
                             tiles_of(work_.probe.places) - 1);
        const char* rows = tile_of(work_.probe, p, tile) + warp_ % kGroupWarps * 2 * kMatrixBytes;
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const char* matrix = rows + (2 * step + i / 2) * kPieceBytes + i % 2 * kMatrixBytes;
                probe_[step][i] = reinterpret_cast<const uint32_t*>(matrix)[lane_];
            }
        }
    }

    __device__ const char* tile_of(const Operand& operand, int64_t n, int tile) const {
        return reinterpret_cast<const char*>(operand.high) +
               (n * tiles_of(operand.places) + tile) * kTileBytes;
    }
    __device__ uint32_t stage(int slot) const { return ring_ + slot * kTileBytes; }
    __device__ uint32_t filled(int slot) const { return barriers_ + slot * 8; }
    __device__ uint32_t emptied(int slot) const { return barriers_ + (kStages + slot) * 8; }

    const PairWork& work_;
    const Sink& sink_;
    uint32_t barriers_, ring_;
    int lane_, warp_;
    Maxima maxima_;
    Slot slot_;
    uint32_t probe_[kSteps][4];
};

template <typename Type, int kSteps, typename Sink>
__global__ void __launch_bounds__((kMostGroups + 1) * kGroupWarps * 32, 1)
    hopper_kernel(const __grid_constant__ PairWork work, const __grid_constant__ Sink sink) {
#if QACONV_HOPPER
    using Body = Hopper<Type, kSteps, Sink>;
    __shared__ uint64_t barriers[2 * kStages];
    extern __shared__ __align__(128) unsigned char memory[];
    Body(work, sink, barriers, memory).run();
#endif
}

// The rows of a probe map: blocks of equal size, each of as many warpgroups as it needs.
struct GroupPlan {
    int blocks, groups;
    explicit GroupPlan(int64_t places) {
        const int tiles = tiles_of(places);
        blocks = (tiles + kMostGroups - 1) / kMostGroups;
        groups = (tiles + blocks - 1) / blocks;
    }
};

int maxima_bytes(int64_t probe_places, int64_t gallery_places, bool positions) {
    const GroupPlan plan(probe_places);
    const int rows = plan.blocks * plan.groups * kGroupRows;
    const int pitch = tiles_of(gallery_places) * kTilePlaces;
    const int warps = plan.groups * kGroupWarps;
    return positions ? PairMemory<true>::bytes(rows, pitch, warps)
                     : PairMemory<false>::bytes(rows, pitch, warps);
}

template <typename Type, int kSteps, typename Sink>
Status launch(const PairSets& sets, const Sink& sink, cudaStream_t stream) {
    const GroupPlan plan(sets.probe.places);
    const int64_t bytes = Hopper<Type, kSteps, Sink>::kRingBytes +
                          maxima_bytes(sets.probe.places, sets.gallery.places, Sink::kPositions);
    return launch_tasks(hopper_kernel<Type, kSteps, Sink>, sets, sink,
                        {(plan.groups + 1) * kGroupWarps * 32, plan.blocks,
                         tiles_of(sets.gallery.places) * kTilePlaces, static_cast<int>(bytes)},
                        stream);
}

constexpr int kMost = kResidentChannels / 16, kFew = kResidentStep / 16;

}  // namespace

bool has_hopper_text() {
    // Machine code for any other architecture, 9.0 without the "a" too, is an empty kernel, which
    // shows by having no barriers.
    cudaFuncAttributes attributes{};
    const cudaError_t error =
        cudaFuncGetAttributes(&attributes, hopper_kernel<Half, kMost, Scores<float>>);
    return error == cudaSuccess && attributes.sharedSizeBytes > 0;
}

int64_t hopper_memory(int64_t probe_places, int64_t gallery_places, bool positions) {
    using Body = Hopper<Half, kMost, Scores<float>>;
    // The barriers, filled up to where dynamic memory may begin.
    return Body::kRingBytes + kMatrixBytes + maxima_bytes(probe_places, gallery_places, positions);
}

template <typename Sink>
Status launch_hopper(const PairSets& sets, const Sink& sink, cudaStream_t stream) {
    if (sets.probe.channels == kResidentStep) {
        return sets.bfloat16 ? launch<BFloat16, kFew>(sets, sink, stream)
                             : launch<Half, kFew>(sets, sink, stream);
    }
    return sets.bfloat16 ? launch<BFloat16, kMost>(sets, sink, stream)
                         : launch<Half, kMost>(sets, sink, stream);
}

template Status launch_hopper(const PairSets&, const Scores<float>&, cudaStream_t);
template Status launch_hopper(const PairSets&, const Planes<float>&, cudaStream_t);

}  // namespace qaconv::cuda

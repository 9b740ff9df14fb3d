// The gradient of one set of maps, gathered by its owners: a thread block owns (one map, a slab of
// its locations, a slab of channels), and its sums stay in registers. docs/kernels.md draws the
// walk.
//
// What adds to the sums is one stream of items, partner after partner: the maxima of the own
// locations of the slab, then those of all partner locations. An item is "add gradient * row to a
// location". The stream is read in windows of any cut; a window is sorted by location, stably, so
// that each location meets its items in the order of the stream. So the bits depend neither on
// windows nor on slabs.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cuda/device/hopper.cuh"
#include "cuda/device/row_vector.cuh"
#include "cuda/device/window_sort.cuh"

namespace qaconv::cuda {

// The gradient of one direction's maxima, [pairs][locations], and where they were found. Those of
// own map n and partner m begin at n * own_stride + m * partner_stride.
template <typename T>
struct Winners {
    const T* gradient;
    const void* index;
    int64_t locations;
    bool byte;
    int64_t own_stride, partner_stride;

    __device__ int64_t at(int64_t own, int64_t partner) const {
        return own * own_stride + partner * partner_stride;
    }
    __device__ int winner(int64_t position) const {
        return byte ? static_cast<const uint8_t*>(index)[position]
                    : static_cast<const int16_t*>(index)[position];
    }
};

template <typename T>
struct Gather {
    Winners<T> at_own;      // maxima at own locations, won by partner locations
    Winners<T> at_partner;  // the other way round
    int64_t own_maps, partners, channels;
    const char* rows;  // the partners, [partners][partner locations][row_bytes]
    int64_t row_bytes;
    T* out;               // [own maps][channels][own locations]
    int slab;             // own locations of a block
    int64_t slabs;        // of a map's locations
    uint32_t reciprocal;  // of `slab` + partner locations, the items of a partner: see below
    // Where windows end with a partner, whose rows are copied to shared memory: so many of them.
    int window_partners;
};

// floor(x / items) is the high half of x * reciprocal: exact where x * (reciprocal * items - 2^32)
// < 2^32, which holds, for both factors are at most kMaxLocations + kKeys + kWindow < 2^16.
inline uint32_t reciprocal_of(int64_t items) {
    return static_cast<uint32_t>(0xffffffffu / items + 1);  // items >= 2: a location on either side
}

constexpr int kSlabChannels = 128;
constexpr int kRegisters = 48;  // of a thread's sums: a slab is 192 locations (96 in double)
constexpr int kAhead = 4;       // rows that a thread has under way

// How a block's threads share its sums. The lanes of a group hold one location's channels, a vector
// of a row each; a group holds every kGroups-th location. Of staged rows a warp is a group, if it
// can.
template <typename Element, bool kStaged>
struct Share {
    using Vector = std::conditional_t<kStaged && sizeof(Element) == 2, uint2, uint4>;
    static constexpr int kWidth = static_cast<int>(sizeof(Vector) / sizeof(Element));
    static constexpr int kLanes = kSlabChannels / kWidth;
    static constexpr int kGroups = kThreads / kLanes;
    static constexpr int kLocations =
        kRegisters * static_cast<int>(sizeof(uint32_t)) / (kWidth * sizeof(Sum<Element>));
    static constexpr int kSlabLocations = kGroups * kLocations;
    // On a multiprocessor at once: as many as registers allow without a spill.
    static constexpr int kBlocks = 1;
    static_assert(kSlabLocations <= kKeys);
};

template <typename T>
struct alignas(2 * sizeof(T)) Item {  // read at once
    T gradient;
    uint32_t row;  // counted from the first row of the window's first partner
};

// What a block owns.
struct Owned {
    int64_t map, location, channel;  // the first of each
    int locations;
};

constexpr int kBeyond = 2;  // items that are read ahead, after the last

template <typename Element, bool kStaged>
struct Shared {
    using T = Sum<Element>;
    WindowSort sort;
    uint64_t come[2];  // barriers: the rows of a window have been copied
    union {
        Item<T> items[kWindow + kBeyond];
        T turned[kSlabChannels][Share<Element, kStaged>::kGroups + 1];
    };
};

// Where a window begins in the stream.
struct WindowStart {
    int64_t partner;
    int item;
};

// The rows of two windows in shared memory: of one being added, and of the next on its way. A
// window without items needs none, and is taken for a sign that the next has none either.
class StagedRows {
  public:
    // By all threads; a barrier must follow.
    __device__ StagedRows(uint64_t (&come)[2], unsigned char* memory, uint32_t window_bytes)
        : come_(shared_address(come)), memory_(memory), window_bytes_(window_bytes) {
        if (threadIdx.x != 0) return;
        start_barrier(come_, 1);
        start_barrier(come_ + 8, 1);
        show_barriers_to_copies();
    }
    // All threads have left the window before. `left`: bytes of all rows from this window on.
    __device__ void begin(bool any, const char* rows, int64_t left) {
        if (any && !asked_) ask(turn_, rows, left);
        here_ = any || asked_;
        asked_ = any && left > window_bytes_;
        if (asked_) ask(turn_ ^ 1, rows + window_bytes_, left - window_bytes_);
    }
    __device__ const char* rows() const {
        return reinterpret_cast<const char*>(memory_ + turn_ * window_bytes_);
    }
    __device__ void wait() {
        if (!here_) return;
        wait_for_phase(come_ + turn_ * 8, parities_ >> turn_ & 1);
        parities_ ^= 1u << turn_;
    }
    __device__ void end() { turn_ ^= 1; }

  private:
    __device__ void ask(uint32_t slot, const char* rows, int64_t left) const {
        if (threadIdx.x != 0) return;
        const auto bytes = static_cast<uint32_t>(min(left, int64_t(window_bytes_)));
        arrive_and_announce(come_ + slot * 8, bytes);
        copy_bulk(shared_address(memory_ + slot * window_bytes_), rows, bytes, come_ + slot * 8);
    }

    uint32_t come_;
    unsigned char* memory_;
    uint32_t window_bytes_, turn_ = 0, parities_ = 0;
    bool asked_ = false, here_ = false;
};

// The items of a thread, of at most so many partners; what is not loaded yet is not touched. Of an
// item without a key, kDropped.
template <typename T>
__device__ void look(const Gather<T>& job, const Owned& own, WindowStart start, int most,
                     int (&keys)[kSteps], Item<T> (&items)[kSteps]) {
    const int partner_locations = static_cast<int>(job.at_partner.locations);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
        const int x = start.item + window_position(step);
        const int skipped = static_cast<int>(__umulhi(x, job.reciprocal));
        const int64_t partner = start.partner + skipped;
        int location = x - skipped * (job.slab + partner_locations);
        keys[step] = kDropped;
        items[step] = {0, static_cast<uint32_t>(skipped * partner_locations)};
        if (partner >= job.partners || skipped >= most) continue;
        if (location < job.slab) {
            if (location >= own.locations) continue;
            const int64_t at = job.at_own.at(own.map, partner) + own.location + location;
            items[step].gradient = job.at_own.gradient[at];
            items[step].row += job.at_own.winner(at);
            keys[step] = location;
        } else {
            location -= job.slab;
            const int64_t at = job.at_partner.at(own.map, partner) + location;
            items[step].gradient = job.at_partner.gradient[at];
            items[step].row += location;
            keys[step] = job.at_partner.winner(at) - static_cast<int>(own.location);
        }
    }
}

// Drops what adds nothing or is another block's; whether any item is left. Here loads are waited
// for. With `rounds`, the keys of a group's locations, so many, become neighbors.
template <int kGroups, typename T>
__device__ bool drop(const Owned& own, int rounds, const Item<T> (&items)[kSteps],
                     int (&keys)[kSteps]) {
    bool kept = false;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
        const bool of_block = keys[step] >= 0 && keys[step] < own.locations;
        if (rounds > 0) keys[step] = keys[step] % kGroups * rounds + keys[step] / kGroups;
        if (items[step].gradient == 0 || !of_block) keys[step] = kDropped;  // NaN is not 0
        kept |= keys[step] != kDropped;
    }
    return kept;
}

// rows + row * row_bytes. Written in C++, the compiler takes `rows` apart and adds it up again for
// every row, at half as many instructions more.
template <typename Bits>
__device__ Bits load_row(const char* rows, uint32_t row, uint32_t row_bytes) {
    uint64_t address;
    asm("mad.wide.u32 %0, %1, %2, %3;" : "=l"(address) : "r"(row), "r"(row_bytes), "l"(rows));
    return __ldg(reinterpret_cast<const Bits*>(address));
}
// Adds a window's sorted items to the sums; `rows` is this lane's part of row 0 of the window.
template <typename Element>
__device__ void add_window(
    const Shared<Element, false>& shared, const char* rows, uint32_t row_bytes, int slab,
    Sum<Element> (&sums)[Share<Element, false>::kLocations][Share<Element, false>::kWidth]) {
    using T = Sum<Element>;
    using Of = Share<Element, false>;
    using Bits = typename Of::Vector;
    const int group = threadIdx.x / Of::kLanes;
#pragma unroll
    for (int k = 0; k < Of::kLocations; ++k) {
        if (k * Of::kGroups >= slab) break;
        const uint32_t end = shared.sort.first[k * Of::kGroups + group + 1];
#pragma unroll 1
        for (uint32_t i = shared.sort.first[k * Of::kGroups + group]; i < end; i += kAhead) {
            T gradient[kAhead];
            Bits bits[kAhead];
#pragma unroll
            for (int j = 0; j < kAhead; ++j) {
                if (i + j >= end) continue;
                const Item<T> item = shared.items[i + j];
                gradient[j] = item.gradient;
                bits[j] = load_row<Bits>(rows, item.row, row_bytes);
            }
#pragma unroll
            for (int j = 0; j < kAhead; ++j) {
                if (i + j >= end) continue;
                T values[Of::kWidth];
                widen(bits[j], values, Element());
#pragma unroll
                for (int v = 0; v < Of::kWidth; ++v) {
                    sums[k][v] = fma(gradient[j], values[v], sums[k][v]);
                }
            }
        }
    }
}

// The same of rows in shared memory, whose items say bytes and not rows. A group's items are
// neighbors, and are walked one by one: the next row is under way, and the item after it, be they
// of another group or none at all (kBeyond).
template <typename Element>
__device__ void add_staged_window(
    const Shared<Element, true>& shared, const char* rows, int rounds,
    Sum<Element> (&sums)[Share<Element, true>::kLocations][Share<Element, true>::kWidth]) {
    using T = Sum<Element>;
    using Of = Share<Element, true>;
    const uint32_t* first = shared.sort.first + threadIdx.x / Of::kLanes * rounds;
    const Item<T>* item = shared.items + first[0];
    const auto row = [&](uint32_t bytes) {
        return *reinterpret_cast<const typename Of::Vector*>(rows + bytes);
    };
    typename Of::Vector bits = row(item[0].row);
    T gradient = item[0].gradient;
    Item<T> next = item[1];  // whole: shared memory has less time left than instructions have
#pragma unroll
    for (int k = 0; k < Of::kLocations; ++k) {
        if (k >= rounds) break;
        const Item<T>* end = shared.items + first[k + 1];
#pragma unroll 1
        while (item < end) {
            T values[Of::kWidth];
            widen(bits, values, Element());
#pragma unroll
            for (int v = 0; v < Of::kWidth; ++v) sums[k][v] = fma(gradient, values[v], sums[k][v]);
            gradient = next.gradient;
            bits = row(next.row);
            next = item[2];
            ++item;
        }
    }
}

// Stores the sums as [channels][locations], turned in shared memory so that locations are
// neighbors.
template <typename Element, bool kStaged>
__device__ void store(const Gather<Sum<Element>>& job, const Owned& own,
                      Shared<Element, kStaged>& shared,
                      const Sum<Element> (&sums)[Share<Element, kStaged>::kLocations]
                                                [Share<Element, kStaged>::kWidth]) {
    using Of = Share<Element, kStaged>;
    const int group = threadIdx.x / Of::kLanes, lane = threadIdx.x % Of::kLanes;
    const int64_t locations = job.at_own.locations;
#pragma unroll
    for (int k = 0; k < Of::kLocations; ++k) {
        if (k * Of::kGroups >= own.locations) break;
        __syncthreads();  // the items, or the locations before these, have been read
#pragma unroll
        for (int v = 0; v < Of::kWidth; ++v) {
            shared.turned[lane * Of::kWidth + v][group] = sums[k][v];
        }
        __syncthreads();
        const int s = k * Of::kGroups + static_cast<int>(threadIdx.x) % Of::kGroups;
        if (s >= own.locations) continue;
        for (int c = threadIdx.x / Of::kGroups; c < kSlabChannels; c += Of::kLanes) {
            if (own.channel + c >= job.channels) break;
            job.out[(own.map * job.channels + own.channel + c) * locations + own.location + s] =
                shared.turned[c][threadIdx.x % Of::kGroups];
        }
    }
}

template <typename Element, bool kStaged>
__device__ void gather(const Gather<Sum<Element>>& job, unsigned char* staged_memory) {
    using T = Sum<Element>;
    using Of = Share<Element, kStaged>;
    __shared__ Shared<Element, kStaged> shared;
    const int64_t channel_slabs = (job.channels + kSlabChannels - 1) / kSlabChannels;
    const int64_t partner_locations = job.at_partner.locations;
    const int64_t partner_bytes = partner_locations * job.row_bytes;
    const int lane = threadIdx.x % Of::kLanes;
    const int most = kStaged ? job.window_partners : kWindow;
    const int rounds = kStaged ? job.slab / Of::kGroups : 0;
    shared.sort.start();
    StagedRows staged(shared.come, staged_memory,
                      kStaged ? static_cast<uint32_t>(most * partner_bytes) : 0);
    for (int64_t block = blockIdx.x; block < job.own_maps * job.slabs * channel_slabs;
         block += gridDim.x) {
        Owned own;
        own.map = block / channel_slabs / job.slabs;
        own.location = block / channel_slabs % job.slabs * job.slab;
        own.channel = block % channel_slabs * kSlabChannels;
        own.locations =
            static_cast<int>(min(job.at_own.locations - own.location, int64_t(job.slab)));
        // A lane beyond the row's end reads its beginning and stores nothing.
        int64_t lane_bytes = (own.channel + lane * Of::kWidth) * int64_t(sizeof(Element));
        if (lane_bytes >= job.row_bytes) lane_bytes = 0;
        T sums[Of::kLocations][Of::kWidth] = {};
        WindowStart start{0, 0};
        int keys[kSteps];
        Item<T> items[kSteps];
        look(job, own, start, most, keys, items);
        while (start.partner < job.partners) {
            const bool kept = drop<Of::kGroups>(own, rounds, items, keys);
            shared.sort.clear();
            const bool any = __syncthreads_or(kept);
            const char* rows = job.rows + start.partner * partner_bytes;
            if (kStaged) {
                staged.begin(any, rows, (job.partners - start.partner) * partner_bytes);
                rows = staged.rows();
            }
            if (any) {
                uint32_t sorted[kSteps];
                shared.sort.rank(keys, sorted);
#pragma unroll
                for (int step = 0; step < kSteps; ++step) {
                    if (kStaged) items[step].row *= static_cast<uint32_t>(job.row_bytes);
                    if (keys[step] != kDropped) shared.items[sorted[step]] = items[step];
                }
                if (kStaged && threadIdx.x < kBeyond) {
                    shared.items[shared.sort.first[kKeys] + threadIdx.x] = {0, 0};
                }
                __syncthreads();
            }
            if (kStaged) {
                start.partner += most;
            } else {
                start.item += kWindow;
                const int skipped = static_cast<int>(__umulhi(start.item, job.reciprocal));
                start.partner += skipped;
                start.item -= skipped * (job.slab + static_cast<int>(partner_locations));
            }
            // The next window's numbers come while this one's rows are added.
            look(job, own, start, most, keys, items);
            if (kStaged) staged.wait();
            if (any) {
                if constexpr (kStaged) {
                    add_staged_window<Element>(shared, rows + lane_bytes, rounds, sums);
                } else {
                    add_window<Element>(shared, rows + lane_bytes,
                                        static_cast<uint32_t>(job.row_bytes), own.locations, sums);
                }
            }
            if (kStaged) staged.end();
        }
        store<Element, kStaged>(job, own, shared, sums);
        __syncthreads();  // `turned` has been read before the next items come
    }
}

template <typename Element>
__global__ void __launch_bounds__(kThreads, Share<Element, false>::kBlocks)
    gather_kernel(Gather<Sum<Element>> job) {
    gather<Element, false>(job, nullptr);
}

// The same with the partners' rows in shared memory, where that has room for them.
template <typename Element>
__global__ void __launch_bounds__(kThreads, Share<Element, true>::kBlocks)
    staged_gather_kernel(Gather<Sum<Element>> job) {
#if QACONV_HOPPER
    extern __shared__ __align__(128) unsigned char staged_memory[];
    gather<Element, true>(job, staged_memory);
#endif
}

}  // namespace qaconv::cuda

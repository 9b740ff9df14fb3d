// Reading maps, wherever they lie, as items of 8 channels of a location: by a thread block, up to
// 64 locations and 64 channels at a time, in accesses of 16 bytes along whichever of locations and
// channels lie side by side and aligned.
#pragma once

#include <cstdint>

#include "core/types.h"

namespace qaconv::cuda {

constexpr int kItemChannels = 8;
constexpr int kPatchLocations = 64, kPatchPieces = 8;  // of a thread block; a piece is 8 channels

// What 16 bytes hold at a time. Otherwise numbers are read one by one: threads beside each other
// read locations, or channels, whichever lie nearer to each other.
enum class Reading : int32_t { kLocations, kChannels, kSingleLocations, kSingleChannels };

inline Reading reading_of(const Maps& maps, int64_t element_bytes) {
    // A stride that is never taken does not matter.
    const auto in_step = [&](int64_t size, int64_t stride) {
        return size <= 1 || stride * element_bytes % 16 == 0;
    };
    const bool aligned =
        reinterpret_cast<uintptr_t>(maps.data) % 16 == 0 && in_step(maps.count, maps.map_stride);
    if (aligned && maps.location_stride == 1 && in_step(maps.channels, maps.channel_stride)) {
        return Reading::kLocations;
    }
    if (aligned && maps.channel_stride == 1 && in_step(maps.locations, maps.location_stride)) {
        return Reading::kChannels;
    }
    return maps.location_stride <= maps.channel_stride ? Reading::kSingleLocations
                                                       : Reading::kSingleChannels;
}

// The part of a map that a thread block reads. Channels there may be fewer than 8 times the pieces,
// and none at all: what is missing is zero.
struct Patch {
    int64_t location, channel;  // the first
    int locations, channels, pieces;
};

// 8 channels of a location, of 16 or 32 bits each.
template <typename Bits>
struct alignas(16) Item {
    static constexpr int kWords = kItemChannels * static_cast<int>(sizeof(Bits)) / 4;
    uint32_t words[kWords];
};

// How the threads of a block share a patch: each has kItems items, in steps of piece or location.
template <typename Bits>
struct PatchShare {
    static constexpr int kWidth = 16 / static_cast<int>(sizeof(Bits));  // numbers of an access
    static constexpr int kRuns = kPatchLocations / kWidth;
    static constexpr int kThreads = kPatchPieces * kRuns;
    static constexpr int kItems = kWidth;
    int piece, location, piece_step, location_step;

    __device__ explicit PatchShare(Reading reading) {
        const int thread = static_cast<int>(threadIdx.x);
        if (reading == Reading::kLocations) {
            piece = thread / kRuns, location = thread % kRuns * kWidth;
            piece_step = 0, location_step = 1;
        } else if (reading == Reading::kSingleLocations) {
            piece = thread / kPatchLocations, location = thread % kPatchLocations;
            piece_step = kThreads / kPatchLocations, location_step = 0;
        } else {
            piece = thread % kPatchPieces, location = thread / kPatchPieces;
            piece_step = 0, location_step = kThreads / kPatchPieces;
        }
    }
};

__device__ inline uint32_t word_of(const uint4& line, int k) {
    return k == 0 ? line.x : k == 1 ? line.y : k == 2 ? line.z : line.w;
}

// The numbers at location j of 8 lines along locations.
__device__ inline Item<uint16_t> across(const uint4 (&lines)[kItemChannels], int j, uint16_t) {
    Item<uint16_t> item;
#pragma unroll
    for (int k = 0; k < item.kWords; ++k) {
        item.words[k] = __byte_perm(word_of(lines[2 * k], j / 2), word_of(lines[2 * k + 1], j / 2),
                                    j % 2 == 0 ? 0x5410 : 0x7632);
    }
    return item;
}
__device__ inline Item<uint32_t> across(const uint4 (&lines)[kItemChannels], int j, uint32_t) {
    Item<uint32_t> item;
#pragma unroll
    for (int k = 0; k < item.kWords; ++k) item.words[k] = word_of(lines[k], j);
    return item;
}

template <typename Bits>
__device__ Item<Bits> whole_item(const Bits* first) {
    Item<Bits> item;
    auto* lines = reinterpret_cast<uint4*>(item.words);
#pragma unroll
    for (int k = 0; k < item.kWords / 4; ++k) {
        lines[k] = __ldg(reinterpret_cast<const uint4*>(first) + k);
    }
    return item;
}

template <typename Bits>
__device__ Item<Bits> single_numbers(const Bits* first, int64_t channel_stride, int channels) {
    Bits numbers[kItemChannels];
#pragma unroll
    for (int k = 0; k < kItemChannels; ++k) {
        numbers[k] = k < channels ? __ldg(first + k * channel_stride) : Bits(0);
    }
    Item<Bits> item;
    constexpr int kOfWord = kItemChannels / item.kWords;
#pragma unroll
    for (int k = 0; k < item.kWords; ++k) {
        item.words[k] = numbers[k * kOfWord];
        if constexpr (kOfWord == 2) item.words[k] |= uint32_t(numbers[2 * k + 1]) << 16;
    }
    return item;
}

// Calls take(item, piece, location), both counted within the patch, for each of this thread's items
// whose location there is; pieces beyond the channels are zeros.
template <typename Bits, typename Take>
__device__ void read_patch(const Maps& maps, Reading reading, int64_t n, const Patch& patch,
                           Take take) {
    using Share = PatchShare<Bits>;
    const Share own(reading);
    const Bits* first = static_cast<const Bits*>(maps.data) + n * maps.map_stride +
                        (patch.location + own.location) * maps.location_stride +
                        (patch.channel + own.piece * kItemChannels) * maps.channel_stride;
    const int channels = patch.channels - own.piece * kItemChannels;
    // In both, all loads are under way before the first is waited for.
    if (reading == Reading::kLocations && own.location + Share::kWidth <= patch.locations) {
        uint4 lines[kItemChannels];
#pragma unroll
        for (int k = 0; k < kItemChannels; ++k) {
            lines[k] = k < channels
                           ? __ldg(reinterpret_cast<const uint4*>(first + k * maps.channel_stride))
                           : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int j = 0; j < Share::kItems; ++j) {
            take(across(lines, j, Bits()), own.piece, own.location + j);
        }
        return;
    }
    if (reading == Reading::kChannels && channels >= kItemChannels) {
        Item<Bits> items[Share::kItems];
#pragma unroll
        for (int j = 0; j < Share::kItems; ++j) {
            if (own.location + j * own.location_step >= patch.locations) continue;
            items[j] = whole_item(first + j * own.location_step * maps.location_stride);
        }
#pragma unroll
        for (int j = 0; j < Share::kItems; ++j) {
            const int location = own.location + j * own.location_step;
            if (location < patch.locations) take(items[j], own.piece, location);
        }
        return;
    }
#pragma unroll 1
    for (int j = 0; j < Share::kItems; ++j) {
        const int piece = own.piece + j * own.piece_step,
                  location = own.location + j * own.location_step;
        if (location >= patch.locations) continue;
        const Bits* at = first + j * own.location_step * maps.location_stride +
                         j * own.piece_step * kItemChannels * maps.channel_stride;
        take(single_numbers(at, maps.channel_stride, patch.channels - piece * kItemChannels), piece,
             location);
    }
}

}  // namespace qaconv::cuda

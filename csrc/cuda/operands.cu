#include "cuda/operands.h"

#include <algorithm>
#include <type_traits>

#include "cuda/device/widen.cuh"
#include "cuda/status.h"

namespace qaconv::cuda {
namespace {

constexpr int kLanes = 32, kWarps = 8;

// The bits of magnitudes rise with them, and a NaN's lie above infinity's.
constexpr uint32_t kInfinityBits = 0x7f800000u;
constexpr uint32_t kSmallestBits = (127u - 60u) << 23, kLargestBits = (127u + 60u) << 23;

template <typename Source>
__device__ bool is_wild(uint32_t largest) {
    if (std::is_same_v<Source, __half>) return largest >= kInfinityBits;  // sums stay in range
    return largest != 0 && (largest < kSmallestBits || largest > kLargestBits);
}

// Rows and columns of a map as they lie in memory: columns are the nearer neighbours.
struct Plane {
    int64_t rows, columns, row_stride, column_stride;
};
__device__ Plane plane_of(const Maps& maps, bool places_are_columns) {
    return places_are_columns
               ? Plane{maps.channels, maps.places, maps.channel_stride, maps.place_stride}
               : Plane{maps.places, maps.channels, maps.place_stride, maps.channel_stride};
}

template <typename Source>
__device__ uint32_t largest_magnitude(const Source* map, const Plane& plane) {
    uint32_t largest = 0;
    for (int64_t row = threadIdx.y; row < plane.rows; row += kWarps) {
        const Source* line = map + row * plane.row_stride;
        for (int64_t column = threadIdx.x; column < plane.columns; column += kLanes) {
            const float value = widen<float>(line[column * plane.column_stride]);
            largest = max(largest, __float_as_uint(value) & 0x7fffffffu);
        }
    }
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
        largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, distance));
    }
    __shared__ uint32_t of_warp[kWarps];
    if (threadIdx.x == 0) of_warp[threadIdx.y] = largest;
    __syncthreads();
    for (int warp = 0; warp < kWarps; ++warp) largest = max(largest, of_warp[warp]);
    return largest;
}

__device__ uint16_t bits_of(__half value) { return __half_as_ushort(value); }
__device__ uint16_t bits_of(__nv_bfloat16 value) { return __bfloat16_as_ushort(value); }

// Stores a number as the operand wants it.
template <typename Source>
__device__ void store(float value, float unscale, uint16_t* high, uint16_t* low) {
    if constexpr (std::is_same_v<Source, float>) {
        const float scaled = value * unscale;
        const __half leading = __float2half_rn(scaled);
        *high = bits_of(leading);
        *low = bits_of(__float2half_rn((scaled - __half2float(leading)) / kLowStep));
    } else if constexpr (std::is_same_v<Source, __half>) {
        *high = bits_of(__float2half_rn(value));
    } else {
        *high = bits_of(__float2bfloat16_rn(value));
    }
}

// What is stored of a map: its places, and those that fill up a tile; its channels, and zeros.
struct Extent {
    int64_t places, channels;
    bool tiles;

    __host__ __device__ int64_t size() const { return places * channels; }
    __device__ int64_t at(uint32_t place, uint32_t channel) const {
        if (!tiles) return place * channels + channel;
        return (place - place % kTiledPlaces) * channels +
               (channel / 8 * kTiledPlaces + place % kTiledPlaces) * 8 + channel % 8;
    }
};

// A thread block takes a map at a time: looks for its largest magnitude, then copies it tile by
// tile through shared memory, so that both reading and writing go along neighbours.
template <typename Source>
__global__ void __launch_bounds__(kLanes* kWarps)
    pack_operand_kernel(Maps maps, bool places_are_columns, Extent to, uint16_t* high,
                        uint16_t* low, float* scale, uint8_t* wild, int32_t* any_wild) {
    __shared__ float tile[kLanes][kLanes + 1];
    const Plane plane = plane_of(maps, places_are_columns);
    for (int64_t n = blockIdx.x; n < maps.count; n += gridDim.x) {
        const Source* map = static_cast<const Source*>(maps.data) + n * maps.map_stride;
        const uint32_t largest = largest_magnitude(map, plane);
        const bool split = std::is_same_v<Source, float>;
        const bool ordinary = largest != 0 && !is_wild<Source>(largest);
        const float size =
            split && ordinary ? __uint_as_float(largest & kInfinityBits) : 1.0f;  // a power of 2
        if (threadIdx.x == 0 && threadIdx.y == 0) {
            scale[n] = size;
            wild[n] = is_wild<Source>(largest);
            if (is_wild<Source>(largest)) *any_wild = 1;  // whoever comes: the same value
        }
        const int64_t first = n * to.size();
        for (int64_t s0 = 0; s0 < to.places; s0 += kLanes) {
            for (int64_t c0 = 0; c0 < to.channels; c0 += kLanes) {
                __syncthreads();  // the tile before has been written, and of_warp read
                for (int row = threadIdx.y; row < kLanes; row += kWarps) {
                    const int64_t place = s0 + (places_are_columns ? threadIdx.x : row);
                    const int64_t channel = c0 + (places_are_columns ? row : threadIdx.x);
                    tile[row][threadIdx.x] =
                        channel < maps.channels
                            ? widen<float>(map[min(place, maps.places - 1) * maps.place_stride +
                                               channel * maps.channel_stride])
                            : 0.0f;
                }
                __syncthreads();
                for (int place = threadIdx.y; place < kLanes; place += kWarps) {
                    if (s0 + place >= to.places || c0 + threadIdx.x >= to.channels) continue;
                    const int64_t at = first + to.at(s0 + place, c0 + threadIdx.x);
                    const float value =
                        places_are_columns ? tile[threadIdx.x][place] : tile[place][threadIdx.x];
                    store<Source>(value, 1.0f / size, high + at, low + at);
                }
            }
        }
    }
}

int64_t padded(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

struct Sizes {
    Extent map;
    int64_t numbers, scale, wild;  // bytes
    Sizes(const Maps& maps, const Packing& packing)
        : map{packing.tiles ? padded(maps.places, kTiledPlaces) : maps.places,
              padded(maps.channels, packing.channel_step), packing.tiles},
          numbers(padded(maps.count * map.size() * 2, 256)),
          scale(padded(maps.count * 4, 256)),
          wild(padded(maps.count, 256)) {}
};

bool is_split(const Maps& maps) { return maps.dtype == DType::kFloat32; }

}  // namespace

int64_t operand_bytes(const Maps& maps, const Packing& packing) {
    const Sizes sizes(maps, packing);
    return sizes.numbers * (is_split(maps) ? 2 : 1) + sizes.scale + sizes.wild;
}

Status pack_operand(const Maps& maps, const Packing& packing, void* memory, int32_t* any_wild,
                    Operand* operand, cudaStream_t stream) {
    const Sizes sizes(maps, packing);
    char* next = static_cast<char*>(memory);
    const auto take = [&](int64_t bytes) {
        char* here = next;
        next += bytes;
        return here;
    };
    auto* high = reinterpret_cast<uint16_t*>(take(sizes.numbers));
    auto* low = is_split(maps) ? reinterpret_cast<uint16_t*>(take(sizes.numbers)) : nullptr;
    auto* scale = reinterpret_cast<float*>(take(sizes.scale));
    auto* wild = reinterpret_cast<uint8_t*>(take(sizes.wild));
    const auto channels = static_cast<int32_t>(sizes.map.channels);
    *operand = {high, low, scale, wild, maps.count, static_cast<int32_t>(maps.places), channels};
    const unsigned blocks = static_cast<unsigned>(std::min<int64_t>(maps.count, 1 << 20));
    const bool places_are_columns = maps.place_stride <= maps.channel_stride;
    const auto launch = [&](auto kernel) {
        kernel<<<blocks, dim3(kLanes, kWarps), 0, stream>>>(maps, places_are_columns, sizes.map,
                                                            high, low, scale, wild, any_wild);
        return launch_status();
    };
    switch (maps.dtype) {
        case DType::kFloat16:
            return launch(pack_operand_kernel<__half>);
        case DType::kBFloat16:
            return launch(pack_operand_kernel<__nv_bfloat16>);
        case DType::kFloat32:
        case DType::kFloat64:  // has no tensor-core text
            break;
    }
    return launch(pack_operand_kernel<float>);
}

}  // namespace qaconv::cuda

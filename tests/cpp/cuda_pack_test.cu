// The copies of maps for the tensor cores against their definition (cuda/operands.h), bit for bit,
// from maps that lie anyhow in memory.
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "cuda/operands.h"
#include "cuda_device.cuh"
#include "operators.h"
#include "test_maps.h"

namespace qaconv::test {
namespace {

constexpr DType kTypes[] = {DType::kFloat16, DType::kBFloat16, DType::kFloat32};
constexpr cuda::Packing kPackings[] = {{64, false}, {32, false}, {64, true}};

double decoded(uint32_t bits, DType dtype) {
    if (dtype == DType::kFloat16) return kFloat16Format.decode(static_cast<uint16_t>(bits));
    if (dtype == DType::kBFloat16) return kBFloat16Format.decode(static_cast<uint16_t>(bits));
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

uint32_t encoded(double value, DType dtype) {
    if (dtype == DType::kFloat16) return kFloat16Format.encode(value);
    if (dtype == DType::kBFloat16) return kBFloat16Format.encode(value);
    const auto rounded = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &rounded, sizeof(bits));
    return bits;
}

// Maps of any strides and any beginning; where no number lies there are NaN.
class AnyMaps {
  public:
    template <typename Value>
    AnyMaps(const Maps& maps, int64_t offset, Value value) : maps_(maps), offset_(offset) {
        const int64_t last = at(maps.count - 1, maps.channels - 1, maps.locations - 1);
        // Nothing lies behind the last number: a read of more is a fault.
        bytes_.assign(static_cast<size_t>(last + 1) * size_of(maps.dtype), 0xff);
        for (int64_t n = 0; n < maps.count; ++n) {
            for (int64_t c = 0; c < maps.channels; ++c) {
                for (int64_t s = 0; s < maps.locations; ++s) {
                    const uint64_t bits = encoded(value(n, c, s), maps.dtype);
                    std::memcpy(&bytes_[static_cast<size_t>(at(n, c, s)) * size_of(maps.dtype)],
                                &bits, size_of(maps.dtype));
                }
            }
        }
    }

    const std::vector<unsigned char>& bytes() const { return bytes_; }
    Maps on(const void* memory) const {
        Maps result = maps_;
        result.data =
            static_cast<const char*>(memory) + static_cast<size_t>(offset_) * size_of(maps_.dtype);
        return result;
    }
    const Maps& shape() const { return maps_; }
    uint32_t bits(int64_t n, int64_t c, int64_t s) const {
        uint32_t result = 0;
        std::memcpy(&result, &bytes_[static_cast<size_t>(at(n, c, s)) * size_of(maps_.dtype)],
                    size_of(maps_.dtype));
        return result;
    }
    double value(int64_t n, int64_t c, int64_t s) const {
        return decoded(bits(n, c, s), maps_.dtype);
    }

  private:
    int64_t at(int64_t n, int64_t c, int64_t s) const {
        return offset_ + n * maps_.map_stride + c * maps_.channel_stride +
               s * maps_.location_stride;
    }

    Maps maps_;
    int64_t offset_;
    std::vector<unsigned char> bytes_;
};

// What is to come, from the definition.
struct Wanted {
    std::vector<uint16_t> high, low;
    std::vector<float> scale;
    std::vector<int> fallback;
};

bool needs_fallback(double largest, bool finite, DType dtype) {
    if (!finite) return true;
    if (dtype == DType::kFloat16 || largest == 0) return false;
    return largest < std::ldexp(1.0, -60) || largest > std::ldexp(1.0, 60);
}

void pack_map(const AnyMaps& maps, int64_t n, const cuda::Packing& packing, Wanted& wanted) {
    const Maps& shape = maps.shape();
    double largest = 0;
    bool finite = true;
    for (int64_t c = 0; c < shape.channels; ++c) {
        for (int64_t s = 0; s < shape.locations; ++s) {
            const double size = std::abs(maps.value(n, c, s));
            finite = finite && std::isfinite(size);
            largest = std::max(largest, size);
        }
    }
    const bool fallback = needs_fallback(largest, finite, shape.dtype);
    const bool split = shape.dtype == DType::kFloat32;
    const double size =
        split && !fallback && largest != 0 ? std::ldexp(1.0, std::ilogb(largest)) : 1.0;
    wanted.fallback.push_back(fallback);
    wanted.scale.push_back(static_cast<float>(size));
    const auto store = [&](int64_t c, int64_t s) {
        if (c >= shape.channels) {
            wanted.high.push_back(0);
            if (split) wanted.low.push_back(0);
            return;
        }
        s = std::min(s, shape.locations - 1);
        if (!split) {
            wanted.high.push_back(static_cast<uint16_t>(maps.bits(n, c, s)));
            return;
        }
        const double scaled = maps.value(n, c, s) / size;
        wanted.high.push_back(kFloat16Format.encode(scaled));
        const double rest = scaled - kFloat16Format.decode(wanted.high.back());
        wanted.low.push_back(kFloat16Format.encode(rest * 2048));
    };
    const int64_t channels =
        (shape.channels + packing.channel_step - 1) / packing.channel_step * packing.channel_step;
    if (!packing.tiles) {
        for (int64_t s = 0; s < shape.locations; ++s) {
            for (int64_t c = 0; c < channels; ++c) store(c, s);
        }
        return;
    }
    for (int64_t s0 = 0; s0 < shape.locations; s0 += 64) {
        for (int64_t c0 = 0; c0 < channels; c0 += 8) {
            for (int64_t s = s0; s < s0 + 64; ++s) {
                for (int64_t c = c0; c < c0 + 8; ++c) store(c, s);
            }
        }
    }
}

template <typename T>
std::vector<T> downloaded(const T* data, size_t count) {
    std::vector<T> result(count);
    check_cuda(cudaMemcpy(result.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost),
               "cudaMemcpy from the device");
    return result;
}

// The numbers of a map out of range are nobody's.
void check_side(const cuda::Operand& side, const AnyMaps& maps, const cuda::Packing& packing,
                const std::string& name) {
    const Maps& shape = maps.shape();
    const auto count = static_cast<size_t>(shape.count);
    Wanted wanted;
    for (int64_t n = 0; n < shape.count; ++n) pack_map(maps, n, packing, wanted);
    check(side.count == shape.count && side.locations == shape.locations, name + ": sizes");
    check(side.channels % packing.channel_step == 0, name + ": channels");
    const std::vector<uint32_t> largest = downloaded(side.magnitudes.of_map, count);
    const cuda::Magnitudes magnitudes{largest.data(), side.magnitudes.dtype};
    std::vector<int> fallback;
    std::vector<float> scale;
    for (int64_t n = 0; n < shape.count; ++n) {
        fallback.push_back(magnitudes.needs_fallback(n) ? 1 : 0);
        scale.push_back(static_cast<float>(decoded(magnitudes.scale_bits(n), DType::kFloat32)));
    }
    check_exact(fallback, wanted.fallback, name + ", fallback");
    check_exact(scale, wanted.scale, name + ", scale");
    const auto check_numbers = [&](const uint16_t* data, const std::vector<uint16_t>& numbers,
                                   const std::string& what) {
        const std::vector<uint16_t> got = downloaded(data, numbers.size());
        check_all(got, numbers, what, [&](size_t k) {
            return got[k] == numbers[k] || wanted.fallback[k / (numbers.size() / count)] != 0;
        });
    };
    check_numbers(side.high, wanted.high, name + ", high");
    check((side.low != nullptr) == (shape.dtype == DType::kFloat32), name + ": low");
    if (side.low != nullptr) check_numbers(side.low, wanted.low, name + ", low");
}

void check_packing(const AnyMaps& probe, const AnyMaps* gallery, const cuda::Packing& packing) {
    const CudaDevice::Array<unsigned char> of_probe(probe.bytes());
    const CudaDevice::Array<unsigned char> of_gallery(gallery == nullptr ? probe.bytes()
                                                                         : gallery->bytes());
    const Maps first = probe.on(of_probe.data());
    const Maps second = gallery == nullptr ? Maps() : gallery->on(of_gallery.data());
    const Maps* const maps[] = {&first, &second};
    const int sides = gallery == nullptr ? 1 : 2;
    const DeviceMemory memory(static_cast<size_t>(cuda::operand_bytes(maps, sides, packing)));
    cuda::Operand operands[2];
    int32_t* left_over = nullptr;
    check_status(
        cuda::pack_operands(maps, sides, packing, memory.get(), &left_over, operands, nullptr));
    check_cuda(cudaDeviceSynchronize(), "kernel");
    check_side(operands[0], probe, packing, "probe");
    if (gallery != nullptr) check_side(operands[1], *gallery, packing, "gallery");
    check(downloaded(left_over, 1)[0] == 0, "left_over");
}

// Ordinary numbers: of both signs, some zeros, some too small to be halves of a large map.
double ordinary(int64_t n, int64_t c, int64_t s) {
    const auto at = static_cast<uint64_t>((n * 1000 + c) * 1000 + s);
    const double x = random_number(81, at) * 2 - 1;
    const int power = static_cast<int>(random_number(82, at) * 40) - 30;
    return random_number(83, at) < 0.1 ? 0 : std::ldexp(x, at % 3 == 0 ? power : 0);
}

// How a set lies in memory.
struct Lie {
    const char* name;
    bool channels_last;
    int64_t spare;   // elements between lines and between maps
    int64_t step;    // between the neighbors of a line
    int64_t offset;  // of the first element
};
constexpr Lie kLies[] = {
    {"in order", false, 0, 1, 0},
    {"in order, 16 bytes on", false, 0, 1, 8},
    {"in order, one element on", false, 0, 1, 1},
    {"in order, 8 bytes on", false, 0, 1, 4},
    {"a part of longer lines", false, 8, 1, 0},
    {"lines that are not aligned", false, 3, 1, 0},
    {"every second place", false, 0, 2, 0},
    {"channels last", true, 0, 1, 0},
    {"channels last, 16 bytes on", true, 0, 1, 8},
    {"channels last, one element on", true, 0, 1, 1},
    {"channels last, a part of longer lines", true, 8, 1, 0},
    {"every third channel", true, 0, 3, 0},
};

Maps maps_of(DType dtype, int64_t count, int64_t channels, int64_t locations, const Lie& lie) {
    Maps maps;
    maps.dtype = dtype;
    maps.count = count;
    maps.channels = channels;
    maps.locations = locations;
    const int64_t line = (lie.channels_last ? channels : locations) * lie.step + lie.spare;
    const int64_t lines = lie.channels_last ? locations : channels;
    maps.map_stride = line * lines + lie.spare;
    maps.location_stride = lie.channels_last ? line : lie.step;
    maps.channel_stride = lie.channels_last ? lie.step : line;
    return maps;
}

// Whole patches of 64 x 64, their ends on either side, and accesses of 16 bytes that end a map.
constexpr int64_t kSizes[][2] = {{64, 64},  {128, 192}, {1, 1},   {8, 8},   {16, 40},
                                 {72, 136}, {37, 21},   {65, 65}, {200, 7}, {5, 130}};

void run_layouts() {
    for (DType dtype : kTypes) {
        for (const auto& size : kSizes) {
            run_case(std::string(name_of(dtype)) + ", C=" + text(size[0]) + ", locations " +
                         text(size[1]),
                     [&] {
                         for (const Lie& lie : kLies) {
                             const AnyMaps maps(maps_of(dtype, 3, size[0], size[1], lie),
                                                lie.offset, ordinary);
                             for (const cuda::Packing& packing : kPackings) {
                                 check_packing(maps, nullptr, packing);
                             }
                             if (counts().current_failures > 0) {
                                 return fail(std::string("of maps that lie ") + lie.name);
                             }
                         }
                     });
        }
    }
}

// Sides of other sizes, counts and orders; expanded maps, whose strides are 0.
void run_two_sides() {
    for (DType dtype : kTypes) {
        run_case(std::string("two sides, ") + name_of(dtype), [&] {
            const AnyMaps few(maps_of(dtype, 1, 72, 24, kLies[7]), 0, ordinary);
            const AnyMaps many(maps_of(dtype, 5, 72, 136, kLies[0]), 0, ordinary);
            Maps shape = maps_of(dtype, 4, 72, 64, kLies[0]);
            const auto same = [&](int64_t Maps::* stride, const AnyMaps& other) {
                Maps expanded = shape;
                expanded.*stride = 0;
                const auto value = [&](int64_t n, int64_t c, int64_t s) {
                    return ordinary(expanded.map_stride == 0 ? 0 : n,
                                    expanded.channel_stride == 0 ? 0 : c,
                                    expanded.location_stride == 0 ? 0 : s);
                };
                const AnyMaps maps(expanded, 0, value);
                check_packing(maps, &other, kPackings[0]);
                check_packing(other, &maps, kPackings[2]);
            };
            for (const cuda::Packing& packing : kPackings) {
                check_packing(few, &many, packing);
                check_packing(many, &few, packing);
            }
            same(&Maps::map_stride, few);
            same(&Maps::channel_stride, few);
            same(&Maps::location_stride, few);
            shape = maps_of(dtype, 4, 72, 64, kLies[7]);
            same(&Maps::location_stride, many);
            same(&Maps::channel_stride, many);
        });
    }
}

// Packed in more than one launch.
void run_more_maps_than_a_grid_has_blocks() {
    run_case("more maps than a grid has blocks", [] {
        const AnyMaps few(maps_of(DType::kBFloat16, 7, 2, 1, kLies[0]), 0, ordinary);
        const AnyMaps many(maps_of(DType::kBFloat16, 65535, 2, 1, kLies[0]), 0,
                           [](int64_t n, int64_t, int64_t) { return n > 65530 ? NAN : 1.0; });
        check_packing(few, &many, kPackings[0]);
    });
}

// Which maps are out of range, wherever in them it shows. 70 channels and 130 locations are six
// patches.
void run_fallback_maps() {
    constexpr int64_t kC = 70, kS = 130;
    const double kinds[] = {NAN,
                            INFINITY,
                            -INFINITY,
                            std::ldexp(1.0, 60),
                            std::ldexp(-1.0, 61),
                            std::ldexp(1.0, -60),
                            std::ldexp(-1.0, -61),
                            0,
                            1};
    constexpr int64_t kWhere[][2] = {{0, 0}, {69, 129}, {3, 64}, {64, 63}};
    for (DType dtype : kTypes) {
        for (double base : {0.0, 1.0, std::ldexp(1.0, -70), std::ldexp(1.0, -60)}) {
            run_case(std::string("maps out of range, ") + name_of(dtype) + ", beside " + text(base),
                     [&] {
                         for (const auto& where : kWhere) {
                             for (const Lie& lie : {kLies[0], kLies[2], kLies[7]}) {
                                 // A map for each kind, and one without any.
                                 const auto value = [&](int64_t n, int64_t c, int64_t s) {
                                     if (n < 9 && c == where[0] && s == where[1]) return kinds[n];
                                     return s < 64 || base == 1 ? base : 0;
                                 };
                                 const AnyMaps maps(maps_of(dtype, 10, kC, kS, lie), lie.offset,
                                                    value);
                                 check_packing(maps, nullptr, kPackings[2]);
                             }
                         }
                     });
        }
        run_case(std::string("no map out of range, ") + name_of(dtype), [&] {
            const AnyMaps maps(maps_of(dtype, 2, kC, kS, kLies[0]), 0, ordinary);
            check_packing(maps, &maps, kPackings[0]);
        });
    }
}

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv::test;
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        std::printf("SKIPPED: no usable CUDA device\n");
        ++counts().skipped;
        return finish();
    }
    run_layouts();
    run_two_sides();
    run_more_maps_than_a_grid_has_blocks();
    run_fallback_maps();
    return finish();
}

// Feature maps for tests: their values as numbers, and the same in memory in a dtype and layout.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/types.h"
#include "number_formats.h"

namespace qaconv::test {

constexpr DType kDTypes[] = {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16};

inline const char* name_of(DType dtype) {
    switch (dtype) {
        case DType::kFloat64:
            return "float64";
        case DType::kFloat16:
            return "float16";
        case DType::kBFloat16:
            return "bfloat16";
        case DType::kFloat32:
            break;
    }
    return "float32";
}

inline size_t size_of(DType dtype) {
    return dtype == DType::kFloat64 ? 8 : dtype == DType::kFloat32 ? 4 : 2;
}

// Calls f with a zero of the type the sums run in.
template <typename F>
void with_sum_type(DType dtype, F f) {
    if (computes_in_double(dtype)) {
        f(double());
    } else {
        f(float());
    }
}

enum class Layout { kContiguous, kChannelsLast, kSliced, kExpanded };
constexpr Layout kLayouts[] = {Layout::kContiguous, Layout::kChannelsLast, Layout::kSliced};

inline const char* name_of(Layout layout) {
    constexpr const char* kNames[] = {"contiguous", "channels-last", "sliced", "expanded"};
    return kNames[static_cast<int>(layout)];
}

// A number in [0, 1) that depends on the two arguments only (splitmix64).
inline double random_number(uint64_t seed, uint64_t index) {
    uint64_t z = (seed << 40) + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

class TestMaps {
  public:
    // value(map, channel, location) is rounded to the dtype. What lies in memory between the
    // elements of a sliced layout is NaN.
    template <typename Value>
    TestMaps(int64_t count, int64_t channels, int64_t locations, DType dtype, Layout layout,
             Value value) {
        maps_.dtype = dtype;
        maps_.count = count;
        maps_.channels = channels;
        maps_.locations = locations;
        int64_t elements = lay_out(layout);
        storage_.assign(static_cast<size_t>(elements) * size_of(dtype), 0xff);
        for (int64_t n = 0; n < count; ++n) {
            for (int64_t c = 0; c < channels; ++c) {
                for (int64_t s = 0; s < locations; ++s) {
                    write(n, c, s, value(layout == Layout::kExpanded ? 0 : n, c, s));
                }
            }
        }
    }

    // As the kernels see them, where `data` holds the storage's bytes.
    Maps maps(const void* data) const {
        Maps result = maps_;
        result.data =
            static_cast<const char*>(data) + static_cast<size_t>(first_) * size_of(maps_.dtype);
        return result;
    }
    const std::vector<unsigned char>& storage() const { return storage_; }
    DType dtype() const { return maps_.dtype; }
    int64_t count() const { return maps_.count; }
    int64_t channels() const { return maps_.channels; }
    int64_t locations() const { return maps_.locations; }

    double value(int64_t n, int64_t c, int64_t s) const {
        const unsigned char* at = storage_.data() + byte_offset(n, c, s);
        switch (maps_.dtype) {
            case DType::kFloat64:
                return read<double>(at);
            case DType::kFloat16:
                return kFloat16Format.decode(read<uint16_t>(at));
            case DType::kBFloat16:
                return kBFloat16Format.decode(read<uint16_t>(at));
            case DType::kFloat32:
                break;
        }
        return read<float>(at);
    }

    // Maps [begin, end) of these.
    TestMaps part(int64_t begin, int64_t end) const {
        TestMaps result = *this;
        result.first_ += begin * maps_.map_stride;
        result.maps_.count = end - begin;
        return result;
    }

  private:
    // Sets the strides; returns the number of elements of the storage.
    int64_t lay_out(Layout layout) {
        const int64_t size = maps_.channels * maps_.locations;
        maps_.map_stride = layout == Layout::kExpanded ? 0 : size;
        maps_.channel_stride = maps_.locations;
        maps_.location_stride = 1;
        if (layout == Layout::kChannelsLast) {
            maps_.channel_stride = 1;
            maps_.location_stride = maps_.channels;
        }
        if (layout == Layout::kSliced) {  // [2:, 1:, ::2] of a larger tensor
            maps_.location_stride = 2;
            maps_.channel_stride = 2 * maps_.locations;
            maps_.map_stride = (maps_.channels + 1) * maps_.channel_stride;
            first_ = 2 * maps_.map_stride + maps_.channel_stride;
            return (maps_.count + 2) * maps_.map_stride;
        }
        return layout == Layout::kExpanded ? size : maps_.count * size;
    }

    size_t byte_offset(int64_t n, int64_t c, int64_t s) const {
        return static_cast<size_t>(first_ + n * maps_.map_stride + c * maps_.channel_stride +
                                   s * maps_.location_stride) *
               size_of(maps_.dtype);
    }

    void write(int64_t n, int64_t c, int64_t s, double value) {
        unsigned char* at = storage_.data() + byte_offset(n, c, s);
        switch (maps_.dtype) {
            case DType::kFloat64:
                return put(at, value);
            case DType::kFloat16:
                return put(at, kFloat16Format.encode(value));
            case DType::kBFloat16:
                return put(at, kBFloat16Format.encode(value));
            case DType::kFloat32:
                break;
        }
        put(at, static_cast<float>(value));
    }

    template <typename T>
    static T read(const unsigned char* at) {
        T value;
        std::memcpy(&value, at, sizeof(T));
        return value;
    }
    template <typename T>
    static void put(unsigned char* at, T value) {
        std::memcpy(at, &value, sizeof(T));
    }

    Maps maps_;
    int64_t first_ = 0;  // element of the storage that is map 0, channel 0, location 0
    std::vector<unsigned char> storage_;
};

}  // namespace qaconv::test

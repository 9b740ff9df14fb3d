#include "cpu/pack.h"

#include <cstring>
#include <limits>

namespace qaconv::cpu {
namespace {

struct Half {
    uint16_t bits;
};
struct BFloat16 {
    uint16_t bits;
};

template <typename To, typename From>
To reinterpret(From value) {
    static_assert(sizeof(To) == sizeof(From), "same size");
    To result;
    std::memcpy(&result, &value, sizeof(To));
    return result;
}

template <typename T>
T widen(float value) {
    return value;
}
template <typename T>
T widen(double value) {
    return static_cast<T>(value);
}
template <typename T>
T widen(BFloat16 value) {
    return reinterpret<float>(static_cast<uint32_t>(value.bits) << 16);
}
template <typename T>
T widen(Half value) {
    // Exponent and fraction moved into place, then scaled by 2^112, the difference of the two
    // exponents' biases: exact for normal and subnormal numbers alike.
    const uint32_t magnitude = (value.bits & 0x7fffu) << 13;
    const uint32_t sign = (value.bits & 0x8000u) << 16;
    const float scaled = reinterpret<float>(magnitude) * 0x1p112f;
    const uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;  // infinity, NaN
    return reinterpret<float>(reinterpret<uint32_t>(scaled) | special | sign);
}

inline uint32_t magnitude_bits(float value) { return reinterpret<uint32_t>(value) & 0x7fffffffu; }
inline uint64_t magnitude_bits(double value) {
    return reinterpret<uint64_t>(value) & 0x7fffffffffffffffu;
}

template <typename T>
using BitsOf = decltype(magnitude_bits(T()));

template <typename T, typename Source>
double pack_panels_from(const Maps& maps, int64_t map, int64_t width, T* out) {
    const Source* source = static_cast<const Source*>(maps.data) + map * maps.map_stride;
    const int64_t locations = maps.locations;
    BitsOf<T> largest = 0;  // as integers: infinity and NaN compare above every number
    for (int64_t first = 0; first < locations; first += width) {
        const int64_t present = locations - first < width ? locations - first : width;
        for (int64_t c = 0; c < maps.channels; ++c) {
            const Source* row = source + c * maps.channel_stride + first * maps.location_stride;
            for (int64_t k = 0; k < present; ++k) {
                const T value = widen<T>(row[k * maps.location_stride]);
                const BitsOf<T> bits = magnitude_bits(value);
                largest = bits > largest ? bits : largest;
                out[k] = value;
            }
            for (int64_t k = present; k < width; ++k) out[k] = out[present - 1];
            out += width;
        }
    }
    const T value = reinterpret<T>(largest);
    return value <= std::numeric_limits<T>::max() ? static_cast<double>(value)
                                                  : std::numeric_limits<double>::infinity();
}

template <typename T, typename Source>
void pack_locations_from(const Maps& maps, int64_t map, int64_t stride, T* out) {
    const Source* source = static_cast<const Source*>(maps.data) + map * maps.map_stride;
    for (int64_t s = 0; s < maps.locations; ++s) {
        for (int64_t c = 0; c < maps.channels; ++c) {
            out[s * stride + c] =
                widen<T>(source[c * maps.channel_stride + s * maps.location_stride]);
        }
        for (int64_t c = maps.channels; c < stride; ++c) out[s * stride + c] = 0;
    }
}

template <typename T, typename Source>
void pack_slices_from(const Maps& maps, int64_t map, int64_t width, T* out) {
    const Source* source = static_cast<const Source*>(maps.data) + map * maps.map_stride;
    for (int64_t first = 0; first < maps.channels; first += width) {
        const int64_t present = maps.channels - first < width ? maps.channels - first : width;
        for (int64_t s = 0; s < maps.locations; ++s, out += width) {
            const Source* location =
                source + first * maps.channel_stride + s * maps.location_stride;
            for (int64_t c = 0; c < present; ++c)
                out[c] = widen<T>(location[c * maps.channel_stride]);
            for (int64_t c = present; c < width; ++c) out[c] = 0;
        }
    }
}

// The one switch over storage types: calls f with a value of the source type.
template <typename F>
auto with_source_type(DType dtype, F f) {
    switch (dtype) {
        case DType::kFloat64:
            return f(double());
        case DType::kFloat16:
            return f(Half());
        case DType::kBFloat16:
            return f(BFloat16());
        case DType::kFloat32:
            break;
    }
    return f(float());
}

}  // namespace

template <typename T>
double pack_panels(const Maps& maps, int64_t map, int64_t width, T* out) {
    return with_source_type(maps.dtype, [&](auto source) {
        return pack_panels_from<T, decltype(source)>(maps, map, width, out);
    });
}

template <typename T>
void pack_slices(const Maps& maps, int64_t map, int64_t width, T* out) {
    with_source_type(maps.dtype, [&](auto source) {
        pack_slices_from<T, decltype(source)>(maps, map, width, out);
    });
}

template <typename T>
void pack_locations(const Maps& maps, int64_t map, int64_t stride, T* out) {
    with_source_type(maps.dtype, [&](auto source) {
        pack_locations_from<T, decltype(source)>(maps, map, stride, out);
    });
}

template double pack_panels<float>(const Maps&, int64_t, int64_t, float*);
template double pack_panels<double>(const Maps&, int64_t, int64_t, double*);
template void pack_slices<float>(const Maps&, int64_t, int64_t, float*);
template void pack_locations<float>(const Maps&, int64_t, int64_t, float*);
template void pack_locations<double>(const Maps&, int64_t, int64_t, double*);

}  // namespace qaconv::cpu

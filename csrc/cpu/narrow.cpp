#include "cpu/narrow.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "cpu/pack.h"
#include "cpu/simd_level.h"

namespace qaconv::cpu {
namespace {

bool at_level(const char* name) {
    return std::strcmp(simd_levels()[static_cast<size_t>(simd_level())].name, name) == 0;
}

// Of every set that has such a variant: the level that it belongs to, and what it wants beside.
struct NarrowVariant {
    const char* name;
    const char* level;
    bool (*is_here)();
    Precision precision;
    const NarrowIsa* isa;
};

#if defined(__x86_64__)
bool has_bf16() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16");
}
bool has_vnni() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512vnni");
}
constexpr NarrowVariant kVariants[] = {
    {"avx512_bf16", "avx512", has_bf16, Precision::kBFloat16, &kAvx512BFloat16},
    {"avx512_vnni", "avx512", has_vnni, Precision::kInt8, &kAvx512Int8},
};
#else
constexpr NarrowVariant kVariants[] = {
    {"none", "none", [] { return false; }, Precision::kInt8, nullptr},
};
#endif

const NarrowVariant* vector_variant(Precision precision) {
    for (const NarrowVariant& variant : kVariants) {
        if (variant.precision == precision && variant.is_here() && at_level(variant.level))
            return &variant;
    }
    return nullptr;
}

uint32_t bits_of(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// To bfloat16, ties to even.
uint32_t rounded_half(float value) {
    const uint32_t bits = bits_of(value);
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

// To the nearest whole number, ties to even, and `more`: the lowest eight bits.
uint32_t rounded_byte(float value, float scale, uint32_t more) {
    constexpr float kShift = 0x1.8p23f;  // so large that the fraction falls off
    const float scaled = value * scale;
    return (bits_of(scaled + kShift) + more) & 0xffu;
}

float scale_of(float largest, int32_t steps) {
    const float scale = static_cast<float>(steps) / largest;
    // Infinite where the map is next to nothing: all its products tie.
    return scale <= std::numeric_limits<float>::max() ? scale : 0.0f;
}

// Numbers of successive channels to a word.
struct Halves {
    static constexpr int64_t kChannels = 2;
    uint32_t operator()(const float* c) const {
        return rounded_half(c[0]) << 16 | rounded_half(c[1]);
    }
};
struct Bytes {
    static constexpr int64_t kChannels = 4;
    float scale;
    uint32_t more;
    uint32_t operator()(const float* c) const { return at(c, 0) | at(c, 1) | at(c, 2) | at(c, 3); }
    uint32_t at(const float* c, int k) const { return rounded_byte(c[k], scale, more) << (8 * k); }
};

// Of signed bytes.
int32_t sum_of_bytes(uint32_t word) {
    int32_t sum = 0;
    for (int shift = 0; shift < 32; shift += 8) sum += static_cast<int8_t>(word >> shift & 0xffu);
    return sum;
}

}  // namespace

const char* narrow_variant(Precision precision) {
    const NarrowVariant* variant = vector_variant(precision);
    return variant == nullptr ? "scalar" : variant->name;
}

const NarrowIsa& narrow_isa(Precision precision) {
    const NarrowVariant* variant = vector_variant(precision);
    if (variant != nullptr) return *variant->isa;
    return precision == Precision::kBFloat16 ? kScalarBFloat16 : kScalarInt8;
}

int64_t WordPacking::map_size(int64_t locations) const {
    return round_up(locations, width_) * (words() + (has_starts() ? 1 : 0));
}

const int32_t* WordPacking::starts(const uint32_t* packed, int64_t locations) const {
    if (!has_starts()) return nullptr;
    return reinterpret_cast<const int32_t*>(packed + round_up(locations, width_) * words());
}

template <typename Word>
void WordPacking::pack_with(Word word, const float* map, int64_t locations, uint32_t* out) const {
    const int64_t padded = round_up(locations, width_), count = words();
    for (int64_t k = 0; k < padded; ++k) {
        const float* location = map + std::min(k, locations - 1) * kSlice;
        uint32_t* to = out + k / width_ * width_ * count + k % width_;
        for (int64_t slice = 0; slice < slices_; ++slice, location += locations * kSlice) {
            for (int64_t c = 0; c < kSlice; c += Word::kChannels, to += width_) {
                *to = word(location + c);
            }
        }
        if (has_starts()) {
            int32_t sum = 0;
            for (int64_t w = 1; w <= count; ++w) sum += sum_of_bytes(*(to - w * width_));
            out[padded * count + k] = static_cast<uint32_t>(-steps_ * sum);
        }
    }
}

void WordPacking::pack(const float* map, int64_t locations, float largest, uint32_t* out) const {
    if (precision_ == Precision::kBFloat16) return pack_with(Halves{}, map, locations, out);
    const uint32_t more = side_ == Side::kColumns ? static_cast<uint32_t>(steps_) : 0;
    pack_with(Bytes{scale_of(largest, steps_), more}, map, locations, out);
}

}  // namespace qaconv::cpu

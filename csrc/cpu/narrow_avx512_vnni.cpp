// AVX-512 with products of four bytes (AVX512_VNNI). How the set is raised: isa_avx2.cpp.
#include "cpu/narrow_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
// Partial redundancy elimination of gcc 12 keeps a tile of integer sums in memory: a third slower.
#pragma GCC optimize("no-tree-pre")
// As in isa_avx512.cpp.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qaconv::cpu {
namespace {

struct Bytes {
    using Element = int32_t;
    using Packed = uint32_t;
    using Vector = __m512i;
    using Factors = Vector;
    static constexpr int64_t kLanes = 16;
    static constexpr int64_t kRows = 12;  // of 32 registers, 24 hold sums
    static constexpr int64_t kFactors = 1;
    static Vector load(const void* p) { return _mm512_loadu_si512(p); }
    static void store(int32_t* p, Vector v) { _mm512_storeu_si512(p, v); }
    static Vector broadcast(int32_t x) { return _mm512_set1_epi32(x); }
    static Vector lowest() { return broadcast(INT32_MIN); }
    static Factors load_factors(const uint32_t* p) { return broadcast(static_cast<int32_t>(*p)); }
    static Vector fma(Factors factors, int64_t, Vector b, Vector c) {
        return _mm512_dpbusd_epi32(c, b, factors);
    }
    static int32_t row_code(const int32_t* starts, int64_t row, Keys keys) {
        return starts[row] * (keys.top() + 1) + keys.code(row);
    }
    static Vector max(Vector a, Vector b) { return _mm512_max_epi32(a, b); }
    static Vector largest_everywhere(Vector v) { return broadcast(_mm512_reduce_max_epi32(v)); }
    static uint32_t equal(Vector a, Vector b) { return _mm512_cmpeq_epi32_mask(a, b); }
    static __m512i as_integers(Vector v) { return v; }
    static bool last_wins(int32_t) { return false; }

    struct Merge {
        explicit Merge(Keys keys) : shift(_mm_cvtsi64_si128(keys.bits)) {}
        Vector prepared(Vector sum) const { return _mm512_sll_epi32(sum, shift); }
        Vector operator()(Vector sum, __m512i code) const { return _mm512_add_epi32(sum, code); }
        __m128i shift;
    };
};

#include "cpu/narrow_avx512.inl"

}  // namespace
}  // namespace qaconv::cpu

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

constexpr qaconv::cpu::NarrowIsa qaconv::cpu::kAvx512Int8 = qaconv::cpu::kNarrowTable<Bytes>;
#endif  // __x86_64__

// AVX-512 with products of bfloat16 pairs (AVX512_BF16). How the set is raised: isa_avx2.cpp.
#include "cpu/narrow_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
// As in isa_avx512.cpp.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qaconv::cpu {
namespace {

struct BFloat16Pairs {
    using Element = float;
    using Packed = uint32_t;
    using Vector = __m512;
    using Factors = __m512bh;
    static constexpr int64_t kLanes = 16;
    static constexpr int64_t kRows = 12;  // of 32 registers, 24 hold sums
    static constexpr int64_t kFactors = 1;
    static Vector load(const void* p) { return _mm512_loadu_ps(p); }
    static void store(int32_t* p, Vector v) { _mm512_storeu_ps(p, v); }
    static Vector broadcast(float x) { return _mm512_set1_ps(x); }
    static Vector lowest() { return broadcast(-__builtin_inff()); }
    static Factors load_factors(const uint32_t* p) {
        return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int32_t>(*p)));
    }
    static Vector fma(Factors factors, int64_t, Vector b, Vector c) {
        return _mm512_dpbf16_ps(c, factors, reinterpret_cast<__m512bh>(b));
    }
    static int32_t row_code(const int32_t*, int64_t row, Keys keys) { return keys.code(row); }
    static Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
    static Vector largest_everywhere(Vector v) { return broadcast(_mm512_reduce_max_ps(v)); }
    static uint32_t equal(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
    static __m512i as_integers(Vector v) { return _mm512_castps_si512(v); }
    static bool last_wins(int32_t key) { return key < 0; }

    struct Merge {
        explicit Merge(Keys keys) : kept(_mm512_set1_epi32(~keys.top())) {}
        static __m512i prepared(Vector sum) { return _mm512_castps_si512(sum); }
        Vector operator()(__m512i sum, __m512i code) const {
            constexpr int kFirstAndSecondOrThird = 0xea;
            return _mm512_castsi512_ps(
                _mm512_ternarylogic_epi32(sum, kept, code, kFirstAndSecondOrThird));
        }
        __m512i kept;
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

constexpr qaconv::cpu::NarrowIsa qaconv::cpu::kAvx512BFloat16 =
    qaconv::cpu::kNarrowTable<BFloat16Pairs>;
#endif  // __x86_64__

// NEON, which every 64-bit Arm processor has: nothing is raised here.
#include "core/maximum.h"
#include "cpu/isa.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace qaconv::cpu {
namespace {

struct Float4 : PackedAsIs<float> {
    using Vector = float32x4_t;
    using Mask = uint32x4_t;
    // A multiply-add takes one lane of a factor vector for free; a load that broadcasts would
    // take the place of one in the pipes.
    using Factors = Vector;
    static constexpr int64_t kLanes = 4;
    static constexpr int64_t kRows = 12;  // of 32 registers, 24 hold sums
    static constexpr int64_t kFactors = 4;
    static Vector load(const float* p) { return vld1q_f32(p); }
    static void store(float* p, Vector v) { vst1q_f32(p, v); }
    static void store_index(int32_t* p, Vector v) { vst1q_s32(p, vcvtq_s32_f32(v)); }
    static Vector broadcast(float x) { return vdupq_n_f32(x); }
    static Factors load_factors(const float* p) { return vld1q_f32(p); }
    static Vector fma(Factors factors, int64_t k, Vector b, Vector c) {
        return vfmaq_n_f32(c, b, factors[k]);
    }
    static Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
    static Vector max(Vector a, Vector b) { return vmaxq_f32(a, b); }
    static Mask greater(Vector a, Vector b) { return vcgtq_f32(a, b); }
    static Vector select(Mask mask, Vector yes, Vector no) { return vbslq_f32(mask, yes, no); }
    static float largest(Vector v) { return vmaxvq_f32(v); }
    static Vector iota(int64_t first) {
        return vaddq_f32(broadcast(static_cast<float>(first)), Vector{0, 1, 2, 3});
    }
};

struct Double2 : PackedAsIs<double> {
    using Vector = float64x2_t;
    using Mask = uint64x2_t;
    using Factors = Vector;
    static constexpr int64_t kLanes = 2;
    static constexpr int64_t kRows = 12;
    static constexpr int64_t kFactors = 2;
    static Vector load(const double* p) { return vld1q_f64(p); }
    static void store(double* p, Vector v) { vst1q_f64(p, v); }
    static void store_index(int32_t* p, Vector v) { vst1_s32(p, vmovn_s64(vcvtq_s64_f64(v))); }
    static Vector broadcast(double x) { return vdupq_n_f64(x); }
    static Factors load_factors(const double* p) { return vld1q_f64(p); }
    static Vector fma(Factors factors, int64_t k, Vector b, Vector c) {
        return vfmaq_n_f64(c, b, factors[k]);
    }
    static Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f64(c, a, b); }
    static Vector max(Vector a, Vector b) { return vmaxq_f64(a, b); }
    static Mask greater(Vector a, Vector b) { return vcgtq_f64(a, b); }
    static Vector select(Mask mask, Vector yes, Vector no) { return vbslq_f64(mask, yes, no); }
    static double largest(Vector v) { return vmaxvq_f64(v); }
    static Vector iota(int64_t first) {
        return vaddq_f64(broadcast(static_cast<double>(first)), Vector{0, 1});
    }
};

#include "cpu/pair_any.inl"
#include "cpu/pair_simd.inl"
#include "cpu/table_simd.inl"

}  // namespace

constexpr IsaTables kNeonIsa = {kTable<Float4>, kTable<Double2>};

}  // namespace qaconv::cpu
#endif  // __aarch64__

// The instructions of sm_90a that the Hopper variant is made of, one function each: barriers in
// shared memory that count arrivals and bytes, bulk copies, and products by four warps at once.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cuda/device/tensor_core.cuh"

namespace qaconv::cuda {

// sm_90a alone has them, not even later architectures; the others compile to empty kernels.
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define QACONV_HOPPER 1
#else
#define QACONV_HOPPER 0
#pragma nv_diag_suppress 177  // as in tensor_core.cuh
#endif

// ---- barriers in shared memory -----------------------------------------------------------------
//
// A phase of a barrier ends when so many have arrived, and all the bytes that were announced have
// been copied. Phases have parities 0, 1, 0, 1, …; to wait for parity 1 at the start is no wait.

__device__ inline void start_barrier(uint32_t barrier, uint32_t arrivals) {
#if QACONV_HOPPER
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals)
                 : "memory");
#endif
}
// After the last start_barrier, by the same thread: copies will see it.
__device__ inline void show_barriers_to_copies() {
#if QACONV_HOPPER
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
__device__ inline void arrive(uint32_t barrier) {
#if QACONV_HOPPER
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
#endif
}
__device__ inline void arrive_and_announce(uint32_t barrier, uint32_t bytes) {
#if QACONV_HOPPER
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                 : "memory");
#endif
}
__device__ inline void wait_for_phase(uint32_t barrier, uint32_t parity) {
#if QACONV_HOPPER
    uint32_t over = 0;
    while (over == 0) {
        asm volatile(
            "{\n.reg .pred p;\n"
            "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
            "selp.u32 %0, 1, 0, p;\n}"
            : "=r"(over)
            : "r"(barrier), "r"(parity)
            : "memory");
    }
#endif
}

// Starts copying to shared memory; all three are multiples of 16. The bytes count for the barrier.
__device__ inline void copy_bulk(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
#if QACONV_HOPPER
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(to),
        "l"(from), "r"(bytes), "r"(barrier)
        : "memory");
#endif
}

// A number of threads, whole warps, meet at one of 15 barriers; those who only announce themselves
// go on at once.
__device__ inline void meet(int barrier, int threads) {
#if QACONV_HOPPER
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#endif
}
__device__ inline void announce(int barrier, int threads) {
#if QACONV_HOPPER
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#endif
}

// What this thread wrote to shared memory is what products read from now on; others' only after
// they have met.
__device__ inline void show_memory_to_products() {
#if QACONV_HOPPER
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

// Registers of each thread from here on, by all four warps of a warpgroup: a multiple of 8. Those
// who need few give theirs back, and those who need more wait for them.
template <int kRegisters>
__device__ void keep_registers() {
#if QACONV_HOPPER
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}
template <int kRegisters>
__device__ void take_registers() {
#if QACONV_HOPPER
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}

// ---- products of a warpgroup -------------------------------------------------------------------

// 64 rows times 64 columns. Fragments (PTX ISA, wgmma.m64nNk16; warp w of the four, lane = 4 *
// group
// + t): [eight columns][e] is row 16 w + group (e = 2, 3: + 8), column 2t + e % 2 of the eight.
using WarpgroupSums = float[8][4];

// All sums, as operands 0 to 31 of an instruction: they must not be touched while it is under way.
#define QACONV_SUMS(d)                                                                            \
    "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]),     \
        "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), \
        "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), \
        "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), \
        "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), \
        "+f"(d[7][2]), "+f"(d[7][3])

// A in registers.
#define QACONV_WGMMA(type)                                                                     \
    asm volatile(                                                                              \
        "{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"                                           \
        "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                            \
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22," \
        "%23,%24,%25,%26,%27,%28,%29,%30,%31}, {%32,%33,%34,%35}, %36, p, 1, 1, 0;\n}"         \
        : QACONV_SUMS(sums)                                                                    \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(add)))

// A in shared memory.
#define QACONV_WGMMA_SHARED(type)                                                              \
    asm volatile(                                                                              \
        "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"                                           \
        "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                            \
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22," \
        "%23,%24,%25,%26,%27,%28,%29,%30,%31}, %32, %33, p, 1, 1, 0, 0;\n}"                    \
        : QACONV_SUMS(sums)                                                                    \
        : "l"(a), "l"(b), "r"(static_cast<int>(add)))

// Before the first product, when registers that it reads or writes were touched.
__device__ inline void begin_products() {
#if QACONV_HOPPER
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
// Starts the product over 16 channels; `a` as in tensor_core.cuh, for 16 rows a warp; `b` a
// description of shared memory. Without `add` the sums are overwritten.
template <typename Type>
__device__ void start_product(WarpgroupSums& sums, const uint32_t (&a)[4], uint64_t b, bool add) {
#if QACONV_HOPPER
    if constexpr (std::is_same_v<Type, Half>) {
        QACONV_WGMMA("f16");
    } else {
        QACONV_WGMMA("bf16");
    }
#endif
}
// The same with 64 rows as a description of shared memory.
template <typename Type>
__device__ void start_product(WarpgroupSums& sums, uint64_t a, uint64_t b, bool add) {
#if QACONV_HOPPER
    if constexpr (std::is_same_v<Type, Half>) {
        QACONV_WGMMA_SHARED("f16");
    } else {
        QACONV_WGMMA_SHARED("bf16");
    }
#endif
}
// Closes a group of products.
__device__ inline void end_products() {
#if QACONV_HOPPER
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}
// Waits for these sums, and for all but the latest kOpen groups.
template <int kOpen>
__device__ void wait_for_products(WarpgroupSums& sums) {
#if QACONV_HOPPER
    asm volatile("wgmma.wait_group.sync.aligned %32;" : QACONV_SUMS(sums) : "n"(kOpen) : "memory");
#endif
}
// Waits for all but the latest kOpen groups, whose sums go on being added to.
template <int kOpen>
__device__ void wait_for_earlier_products() {
#if QACONV_HOPPER
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kOpen) : "memory");
#endif
}

#undef QACONV_WGMMA
#undef QACONV_WGMMA_SHARED
#undef QACONV_SUMS

// A tile in shared memory for start_product: 8 x 8 matrices of 128 bytes that are not swizzled, so
// many bytes from one to the next along the channels and along the locations.
__device__ inline uint64_t described(uint32_t address, uint32_t along_channels,
                                     uint32_t along_locations) {
    const auto field = [](uint32_t bytes) { return static_cast<uint64_t>(bytes >> 4 & 0x3fff); };
    return field(address) | field(along_channels) << 16 | field(along_locations) << 32;
}

}  // namespace qaconv::cuda

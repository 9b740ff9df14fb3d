// The instructions of sm_80 that the tensor-core variants are made of, one function each.
#pragma once

#include <cstdint>

namespace qaconv::cuda {

// Tensor cores of sm_80 and later; earlier architectures compile to empty kernels that are never
// launched.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define QACONV_TENSOR_CORES 1
#else
#define QACONV_TENSOR_CORES 0
// Where kernels are empty, what only they use is "declared but never referenced".
#pragma nv_diag_suppress 177
#endif

// The two storage types; each says how 16 rows times 8 columns over 16 channels are multiplied.
// Fragments (PTX ISA, mma.m16n8k16; lane = 4 * group + t):
//   a[0..3]  rows group, group + 8, group, group + 8; channels 2t, 2t+1 (a[2], a[3]: + 8)
//   b[0..1]  column group; channels 2t, 2t+1 (b[1]: + 8)
//   d[0..3]  row group (d[2], d[3]: + 8); columns 2t, 2t+1
struct Half {
    static __device__ void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1) {
#if QACONV_TENSOR_CORES
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
            "{%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
    }
};

struct BFloat16 {
    static __device__ void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1) {
#if QACONV_TENSOR_CORES
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
            "{%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
    }
};

// Four 8 x 8 matrices of 16-bit numbers from shared memory; lane i brings the address of row i % 8
// of matrix i / 8 and gets numbers 2 (i % 4), + 1 of row i / 4 of each.
__device__ inline void load_matrices(uint32_t (&out)[4], uint32_t address) {
#if QACONV_TENSOR_CORES
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
#endif
}

__device__ inline uint32_t shared_address(const void* pointer) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Starts copying 16 bytes to shared memory; both addresses are multiples of 16.
__device__ inline void copy_16_bytes(uint32_t to, const void* from) {
#if QACONV_TENSOR_CORES
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
#endif
}
// Closes a group of copies of this thread, possibly empty.
__device__ inline void commit_copies() {
#if QACONV_TENSOR_CORES
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most kOpen of this thread's latest groups are still under way.
template <int kOpen>
__device__ void wait_for_copies() {
#if QACONV_TENSOR_CORES
    asm volatile("cp.async.wait_group %0;" ::"n"(kOpen) : "memory");
#endif
}

}  // namespace qaconv::cuda

// What a device has, and what it holds of a kernel: asked once.
#pragma once

#include <cstdint>

namespace qaconv::cuda {

struct DeviceFacts {
    int major;          // of the compute capability
    int processors;     // multiprocessors
    int shared_memory;  // bytes, that a thread block may ask for
};
DeviceFacts facts_of_device();

struct Residency {
    int processors;
    int blocks;  // of the kernel on a multiprocessor at once, at least 1

    int64_t slots() const { return int64_t(processors) * blocks; }
};

// Shared memory that a kernel has without being asked for; 0 where it cannot be launched.
int static_shared_bytes(const void* kernel);

// Of a kernel with so many threads a block and so much dynamic shared memory, on the current
// device. Lets the kernel have all the shared memory there is: an amount of its own for each launch
// would be another thread's too.
Residency residency_of(const void* kernel, int threads, int64_t shared_bytes);

}  // namespace qaconv::cuda

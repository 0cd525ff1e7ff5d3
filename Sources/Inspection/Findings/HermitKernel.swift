// The needs of a running Hermit kernel. The loader cannot refuse a machine because of them: other kernels need less.

import Architecture
import Memory
import Boot
import Bytes
import Diagnostics
import HermitEntry

/// A kernel of the Hermit project, recognised by the paths of its sources, which it contains for its panics.
struct HermitKernel {
    /// Whether it reads processors and interrupt controllers from ACPI's tables.
    let hasACPI: Bool
    /// Whether it is for C applications, and so gives newlib a heap of its own.
    let isForC: Bool

    /// The kernel in `file`; nil if there is none of Hermit's.
    init?(_ file: ByteView) {
        guard file.contains(text: "src/arch/x86_64/kernel/") else { return nil }
        hasACPI = file.contains(text: "src/arch/x86_64/kernel/acpi.rs")
        isForC = file.contains(text: "C-based runtime is running on top of Hermit")
    }

    /// RAM with which kernels of all generations are known to run.
    static let knownToSuffice = 64 * MemorySize.mebibyte

    /// The end of an image that ends at `imageEnd`, as kernels see it.
    static func kernelEnd(_ imageEnd: UInt64) -> UInt64 {
        AddressRange(imageEnd, imageEnd).roundedOutward(to: PageSize.size2MiB.rawValue).end
    }

    /// Whether the kernel has a heap if `total` bytes of RAM lie above its end at `kernelEnd`, by the calculation of kernel 0.6.9
    /// (mm::init): it subtracts, a second time, the memory below its end, then two large pages, the page tables, and a tenth of the
    /// rest. Verified with genuine images, on both sides of the limit.
    func hasHeap(total: UInt64, kernelEnd: UInt64) -> Bool {
        let (page, largePage) = (PageSize.size4KiB.rawValue, PageSize.size2MiB.rawValue)
        let pages = total / page
        let tables = pages / (512 * 512 * 512) + pages / (512 * 512) + pages / 512 + 3
        let reserved = kernelEnd + tables * page + 2 * largePage
        guard total > reserved else { return false }
        let available = (total - reserved) & ~(largePage - 1)
        // A tenth is for stacks; newlib's heap is the part of the rest that the kernel's own leaves.
        let taken = available / 10 + (isForC ? 11 * largePage : 0)
        return available >= taken + largePage
    }
}

extension Verdict {
    /// Checks the kernel's other needs: refuses the machine if it is certain that the kernel cannot run there, and adds a finding if that
    /// is only known of some versions.
    mutating func judgeMachine(_ rehearsal: Rehearsal, _ file: ByteView, _ machine: HostMachine) {
        let image = rehearsal.plan.image
        let kernelEnd = HermitKernel.kernelEnd(image.end)
        let total = rehearsal.memoryMap.reduce(0 as UInt64) { sum, region in
            region.isAvailable ? sum + AddressRange(max(region.range.start, kernelEnd), region.range.end).size : sum
        }
        let hasReckoning = rehearsal.generation == .fourRecursive
        // No kernel needs more; and to look for a kernel in a file takes time.
        let mayLack = total < kernelEnd + HermitKernel.knownToSuffice
        guard machine.kind == .microvm || mayLack, let kernel = HermitKernel(file) else { return }
        if hasReckoning, !kernel.hasHeap(total: total, kernelEnd: kernelEnd) {
            let mebibyte = MemorySize.mebibyte
            var more = mebibyte
            while !kernel.hasHeap(total: total + more, kernelEnd: kernelEnd) { more += mebibyte }
            let enough = MemorySize(bytes: (machine.memory.bytes + more + mebibyte - 1) & ~(mebibyte - 1)).text
            refuse(
                Refusal(
                    .kernelMemory,
                    "with \(machine.memory.text) of RAM the kernel has no room for a heap: it counts memory below the image's end at "
                        + "\(hex(image.end)) twice, and ends with a panic",
                    "say --memory \(enough) or more, here and with boot"))
        } else if !hasReckoning, machine.memory.bytes < HermitKernel.knownToSuffice {
            findings.append(
                Finding(
                    .warning, "little-memory",
                    "Hermit's kernels of this generation are known to run with 64M of RAM, and not with \(machine.memory.text)",
                    "say --memory 64M if it ends with a panic"))
        }
        if machine.kind == .microvm, kernel.hasACPI, status == 0 {
            findings.append(
                Finding(
                    .warning, "second-io-apic",
                    "the kernel uses ACPI, and those that do are known (0.6.9, 0.13.2) to panic at microvm's second I/O APIC",
                    "boot it without: loader-inspect boot --machine microvm --qemu-arg -M --qemu-arg ioapic2=off "
                        + printable(self.file)
                ))
        }
    }
}

extension ByteView {
    /// Whether `text` occurs anywhere.
    fileprivate func contains(text: Text) -> Bool {
        var position: UInt64 = 0
        while let distance = distance(to: text[0], from: position) {
            position += distance
            if holds(text, at: position) { return true }
            position += 1
        }
        return false
    }
}

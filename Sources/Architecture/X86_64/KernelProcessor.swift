// The processor that Hermit's kernels need.

/// A processor with the features that Hermit's kernels use, and no others.
public enum KernelProcessor {
    /// Its model, in the form of QEMU's -cpu.
    public static var model: StaticString { "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt" }
}

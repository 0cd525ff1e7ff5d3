// The processor that Hermit's kernels ask for.

/// A processor with the features that Hermit's kernels use, and no more.
public enum KernelProcessor {
    /// It, as QEMU's -cpu takes it.
    public static var model: StaticString { "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt" }
}

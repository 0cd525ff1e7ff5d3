// Pages: memory is planned in whole ones.

/// The smallest page of all machines that Hermit runs on.
public enum Page {
    /// Its size, 4 KiB.
    public static var size: UInt64 { 0x1000 }
}

extension UInt64 {
    /// The first address of the page that this address lies in.
    public var pageStart: UInt64 { self & ~(Page.size &- 1) }
    /// The address rounded up to a page; addresses of memory are too small to wrap.
    public var pageAligned: UInt64 { (self &+ (Page.size &- 1)).pageStart }
}

// Which of the image's pages may be written and executed, as its segments or sections say.

import AddressSpace
import KernelImage

/// The pages of an image in ascending order and without a gap, from its first to its last, as link addresses: stretches that
/// are alike. A page that parts share allows what any of them needs, one that none needs is only read.
struct ImagePages {
    private var parts = ImageParts()
    /// The part that the next page may belong to; nil behind the last.
    private var part: ImagePart?
    private var page: UInt64
    private let end: UInt64

    /// The pages of `application`.
    init(_ application: borrowing Application) {
        page = application.linkStart & ~0xfff
        end = (application.linkStart &+ application.size).aligned(to: 0x1000) ?? ~0xfff
        movePart(application)
    }

    private mutating func movePart(_ application: borrowing Application) {
        switch application.contents {
        case .linked(let image): part = parts.next(in: image)
        case .object(let image): part = parts.next(in: image)
        }
    }

    /// The next stretch of pages, and what they allow; nil behind the last.
    @inline(never)
    mutating func next(in application: borrowing Application) -> (range: AddressRange, access: PageAccess)? {
        guard page < end else { return nil }
        var access = PageAccess(isWritable: false, isExecutable: false)
        let start = page
        var isShared = false
        while let part, part.start < start &+ 0x1000 {
            guard part.end > start else {
                movePart(application)
                continue
            }
            access = access.union(PageAccess(isWritable: part.isWritable, isExecutable: part.isExecutable))
            if part.end > start &+ 0x1000 {
                // The part's own pages follow, unless another shares the first of them.
                if part.start <= start, !isShared { page = part.end & ~0xfff }
                break
            }
            isShared = true
            movePart(application)
        }
        if page == start {
            // One page; where it is only read, so are those up to the next part.
            page = start &+ 0x1000
            if !access.isWritable, !access.isExecutable { page = max(page, (part?.start ?? end) & ~0xfff) }
        }
        return (AddressRange(start, page), access)
    }
}

extension Application {
    /// The number of tables of 4 KiB pages that the image's pages need where stretches that are alike do not begin and end with
    /// whole 2 MiB pages. Images lie at link address + a multiple of 2 MiB.
    var pageTableCount: UInt64 {
        var pages = ImagePages(self)
        var count: UInt64 = 0
        var last = UInt64.max
        while let (range, _) = pages.next(in: self) {
            for side in 0..<2 {
                let border = side == 0 ? range.start : range.end
                guard border & 0x1f_ffff != 0, border >> 21 != last else { continue }
                last = border >> 21
                count &+= 1
            }
        }
        return count
    }
}

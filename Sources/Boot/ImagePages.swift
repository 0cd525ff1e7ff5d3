// Which of the image's pages may be written and executed, as its segments or sections say.

import AddressSpace
import ELF
import KernelImage

/// The pages of an image in ascending order and without a gap, from its first to its last, as link addresses: stretches that
/// are alike. A page that parts share allows what any of them needs, one that none needs is only read.
struct ImagePages {
    private var parts = ImageParts()
    /// The part that the next page may belong to; nil behind the last.
    private var part: ImagePart?
    private var page: UInt64
    private let end: UInt64
    /// The stretch behind the last one that was told.
    private var following: (range: AddressRange, access: PageAccess)?

    /// The pages of `application`.
    init(_ application: borrowing Application) {
        page = application.linkStart & ~0xfff
        end = (application.linkStart &+ application.size).aligned(to: 0x1000) ?? ~0xfff
        movePart(application)
    }

    @inline(never)
    private mutating func movePart(_ application: borrowing Application) {
        if application.link.count > 0 {
            part = parts.next(in: application.link, application.files)
            return
        }
        if let image = application.object {
            part = parts.next(in: image)
        } else {
            part = parts.next(in: application.linked)
        }
    }

    /// The next stretch of pages, and what they allow; nil behind the last.
    @inline(never)
    mutating func next(in application: borrowing Application) -> (range: AddressRange, access: PageAccess)? {
        guard var stretch = following ?? step(application) else { return nil }
        following = nil
        while let next = step(application) {
            guard next.access == stretch.access else {
                following = next
                break
            }
            stretch.range = AddressRange(stretch.range.start, next.range.end)
        }
        return stretch
    }

    /// Pages that belong to one part, or a page that parts share.
    @inline(never)
    private mutating func step(_ application: borrowing Application) -> (range: AddressRange, access: PageAccess)? {
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
    /// The number of tables of 4 KiB pages that the image's pages need at the most: where stretches that are alike do not begin
    /// and end with whole 2 MiB pages, and there are at most as many of those as the image has parts.
    var pageTableCount: UInt64 {
        let touched = size >> 21 &+ 2
        if isObject { return min(touched, 10) }
        // Each PT_LOAD begins and ends once, and so do what PT_GNU_RELRO covers and the supplement.
        return min(touched, UInt64(truncatingIfNeeded: linked.programHeaders.count) &* 2 &+ 4)
    }
}

// Which of the image's pages may be written and executed, as its segments or sections say.

import Architecture
import Memory
import ELF
import Linking

/// The pages of an image from its first to its last, as link addresses, with their access. A page allows what any of its parts needs; a
/// page without parts is read-only. Neighbours with equal access are mapped as one stretch.
struct ImagePages {
    /// The stretch whose end is not known yet.
    private var start: UInt64, access = PageAccess.none
    /// The bias, which is added to link addresses.
    private let bias: UInt64

    /// Maps the pages of `application`, which lies `bias` above its link addresses, in `tables`.
    static func map(_ application: borrowing Application, bias: UInt64, in tables: inout PageTables) {
        var parts = ImageParts()
        var pages = ImagePages(start: application.linkStart.pageStart, bias: bias)
        // The end of the pages of the parts so far, and the access of the last page.
        var end = pages.start
        var last = PageAccess.none
        while parts.advance(in: application) {
            guard parts.part.end > parts.part.start else { continue }
            let access = PageAccess(isWritable: parts.part.isWritable, isExecutable: parts.part.isExecutable)
            let first = parts.part.start.pageStart
            let next = parts.part.end.pageAligned
            // Either pages between this part and the one before, or the page that they share.
            let between = first < end ? last.union(access) : .none
            if first != end { pages.begin(min(first, end), between, in: &tables) }
            last = between
            if next > end {
                pages.begin(max(first, end), access, in: &tables)
                (last, end) = (access, next)
            }
        }
        pages.begin(end, .none, in: &tables)
        let whole = AddressRange(at: application.linkStart &+ bias, size: application.size)
        tables.map(AddressRange(pages.start &+ bias, whole.end), .size2MiB, pages.access)
    }

    /// From `page` on the pages allow `access`.
    @inline(never)
    private mutating func begin(
        _ page: UInt64, _ access: PageAccess, in tables: inout PageTables
    ) {
        guard access != self.access else { return }
        tables.map(AddressRange(start &+ bias, page &+ bias), .size2MiB, self.access)
        start = page
        self.access = access
    }
}

extension ImageParts {
    /// Goes on to the application's next part; false after the last.
    @inline(never)
    mutating func advance(in application: borrowing Application) -> Bool {
        if application.link.count > 0 { return advance(in: application.link, application.files) }
        if application.isObject { return advance(in: application.contents.object) }
        return advance(in: application.contents.linked)
    }
}

extension Application {
    /// The most tables of 4 KiB pages that the image's pages need: one for each end of a stretch that is not on a 2 MiB boundary. There are
    /// at most as many stretches as parts of the image.
    var pageTableCount: UInt64 {
        let touched = size / PageSize.size2MiB.rawValue &+ 2
        if isObject { return min(touched, 10) }
        if link.count > 0 { return touched }
        // Each PT_LOAD begins and ends once, and so do the range of PT_GNU_RELRO and the thunks of TLS descriptors.
        return min(touched, UInt64(truncatingIfNeeded: contents.linked.programHeaders.count) &* 2 &+ 4)
    }
}

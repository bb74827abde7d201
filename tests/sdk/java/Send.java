import com.posthog.server.PostHog;
import com.posthog.server.PostHogCaptureOptions;
import com.posthog.server.PostHogConfig;
import com.posthog.server.PostHogInterface;
import java.util.Date;
import java.util.Map;

/** Drives posthog-server as an application does. Arguments: host, project API key, a mark of our events. */
public class Send {
    public static void main(String[] arguments) throws Exception {
        String host = arguments[0], key = arguments[1], mark = arguments[2];
        PostHogConfig config = PostHogConfig.builder(key).host(host).preloadFeatureFlags(false).flushAt(5).build();
        PostHogInterface client = PostHog.with(config);
        String user = mark + "-user";
        client.identify(user, Map.of("plan", "pro"), Map.of("first", "yes"));
        client.group(user, "company", mark + "-acme", Map.of("size", 7));
        for (int n = 0; n < 7; n++) {
            var options = PostHogCaptureOptions.builder()
                .property("mark", mark).property("n", n).property("note", "na\u00efve \u65e5\u672c")
                .group("company", mark + "-acme");
            if (n == 6) options.timestamp(new Date(System.currentTimeMillis() - 3_600_000L));
            client.capture(user, "java", options.build());
        }
        client.alias(user, mark + "-alias");
        client.flush();
        System.in.read(); // flush only wakes the thread that sends, and close() stops it: end when told to
        client.close();
        System.exit(0);
    }
}

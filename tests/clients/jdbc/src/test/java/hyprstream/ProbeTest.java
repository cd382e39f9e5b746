package hyprstream;
import org.junit.jupiter.api.Test;
class ProbeTest { @Test void ok() {} }
